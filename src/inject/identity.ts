import { type PodOptions, RELEASE_NAME, SERVICE_NAME } from './annotations.js';
import type { PodTemplate } from './pod-schema.js';

/** The object that a pod is of, as far as it is known. */
export interface Owner {
  /** `Deployment`, or `Pod` for one that nothing owns. */
  readonly kind: string;
  readonly name: string;
}

/** Labels that commonly name what a pod is part of, the most specific first. */
const SERVICE_LABELS = ['app.kubernetes.io/name', 'app', 'k8s-app'] as const;

/**
 * The service that a sidecar names as its own: the annotation, a common label, or the name of the workload. Undefined
 * where none of them is a name that a service can have.
 */
export function serviceOf(pod: PodTemplate, options: PodOptions, owner: Owner): string | undefined {
  const labels = pod.metadata?.labels ?? {};
  const candidates = [options.service, ...SERVICE_LABELS.map((label) => labels[label]), owner.name];
  return candidates.find((name) => name !== undefined && SERVICE_NAME.test(name));
}

/** Where a pod's release comes from: a text, or a label that Kubernetes fills in when it makes the pod. */
export type ReleaseSource = { readonly value: string } | { readonly label: string };

/** The label by which a kind of workload tells the pods of its revisions apart. */
const REVISION_LABELS: Readonly<Record<string, string>> = {
  Deployment: 'pod-template-hash',
  ReplicaSet: 'pod-template-hash',
  Rollout: 'rollouts-pod-template-hash',
  StatefulSet: 'controller-revision-hash',
  DaemonSet: 'controller-revision-hash',
};

/** The release of a pod: the annotation, the label `version`, or the revision's label; undefined: it has none. */
export function releaseOf(pod: PodTemplate, options: PodOptions, owner: Owner): ReleaseSource | undefined {
  const version = options.release ?? pod.metadata?.labels?.version;
  if (version !== undefined && RELEASE_NAME.test(version)) return { value: version };
  const label = REVISION_LABELS[owner.kind];
  return label === undefined ? undefined : { label };
}

/** As the API server tells of a pod: its owner references, and its name or the beginning of it. */
interface PodOrigin {
  readonly name?: string | undefined;
  readonly generateName?: string | undefined;
  readonly ownerReferences?: readonly OwnerReference[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly controller?: boolean | undefined;
}

/**
 * The workload of a pod that is about to be made. Only the pod is known: the Deployment's name is the ReplicaSet's
 * without the template's hash, and the CronJob's is the Job's without the time.
 */
export function ownerOfPod({ name, generateName, ownerReferences = [], labels }: PodOrigin): Owner {
  const owner = ownerReferences.find(({ controller }) => controller === true) ?? ownerReferences[0];
  if (owner === undefined) return { kind: 'Pod', name: name || (generateName ?? '').replace(/-$/, '') };
  if (owner.kind === 'ReplicaSet') return ownerOfReplicaSet(owner.name, labels);
  if (owner.kind === 'Job') return { kind: 'Job', name: owner.name.replace(/-\d{6,}$/, '') };
  return { kind: owner.kind, name: owner.name };
}

function ownerOfReplicaSet(name: string, labels: Readonly<Record<string, string>>): Owner {
  for (const [kind, label] of [
    ['Rollout', REVISION_LABELS.Rollout],
    ['Deployment', REVISION_LABELS.Deployment],
  ] as const) {
    const hash = labels[label as string];
    if (hash !== undefined && name.endsWith(`-${hash}`))
      return { kind, name: name.slice(0, -hash.length - 1) };
  }
  return { kind: 'ReplicaSet', name };
}
