import { FlagError, type Flags, isSwitch, text, type Values } from '../flags.js';

/** Of the control plane: a Kubernetes cluster as a source of services and endpoints. */
export const KUBERNETES_FLAGS = {
  kubernetes: {
    name: 'kubernetes',
    help: 'follows a Kubernetes cluster: its Services, pods and MeshServices',
    default: 'false',
    parse: isSwitch,
  },
  kubeconfig: {
    name: 'kubeconfig',
    argument: 'FILE',
    help: "kubeconfig of --kubernetes; without it, the pod's service account, and outside of pods KUBECONFIG or ~/.kube/config",
    default: '',
    parse: text,
  },
  namespaces: {
    name: 'namespaces',
    argument: 'NAME',
    help: 'namespace that --kubernetes follows; without it, all of them',
    repeatable: true,
    parse: namespaceName,
  },
  serviceSelector: {
    name: 'service-selector',
    argument: 'LABELS',
    help: 'which Services --kubernetes follows, as "kubectl get --selector" takes it, such as team=shop; without it, all of them',
    default: '',
    parse: text,
  },
} as const satisfies Flags;

/** What these flags contradict each other in. */
export function kubernetesProblems(
  flags: Values<typeof KUBERNETES_FLAGS>,
): readonly (readonly [wrong: boolean, problem: string])[] {
  const { kubernetes, kubeconfig, namespaces, serviceSelector } = flags;
  const isIdle = !kubernetes && (kubeconfig !== '' || namespaces.length > 0 || serviceSelector !== '');
  return [[isIdle, '--kubeconfig, --namespaces and --service-selector need --kubernetes']];
}

/** As the control plane takes them; undefined: Kubernetes is no source. */
export function kubernetesOptions(flags: Values<typeof KUBERNETES_FLAGS>) {
  const { kubernetes, kubeconfig, namespaces, serviceSelector } = flags;
  return kubernetes ? { kubeconfig, namespaces, serviceSelector } : undefined;
}

function namespaceName(value: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(value))
    throw new FlagError('is not the name of a namespace: lower-case letters, digits and "-"');
  return value;
}
