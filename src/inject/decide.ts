import type { Problem } from '../model/problems.js';
import type { PodOptions, SidecarMode } from './annotations.js';
import type { Owner } from './identity.js';
import {
  INJECT_LABEL,
  OWN_CONTAINERS,
  SIDECAR_CONTAINER,
  SIDECAR_PORTS,
  SIDECAR_UID,
  STATUS_ANNOTATION,
} from './names.js';
import type { Container, PodTemplate } from './pod-schema.js';

/** Sidecars of other meshes, which redirect the pod's connections themselves. */
const OTHER_SIDECARS: Readonly<Record<string, string>> = {
  'istio-proxy': 'Istio',
  'linkerd-proxy': 'Linkerd',
  'consul-dataplane': 'Consul',
  'kuma-sidecar': 'Kuma',
  'aws-appmesh-envoy': 'App Mesh',
  'osm-envoy': 'Open Service Mesh',
};

/** Why a pod gets no sidecar. */
export interface Skip {
  readonly reason: string;
  /** Whether an operator may have expected one. */
  readonly surprising: boolean;
}

const OPTED_OUT = { reason: `its label ${INJECT_LABEL} says disabled`, surprising: false };

/** Whether a pod is left as it is. @param label the value of its label `roost.dev/inject` */
export function whySkipped(pod: PodTemplate, label: string | undefined): Skip | undefined {
  if (label === 'disabled') return OPTED_OUT;
  if (isInjected(pod)) return { reason: 'it has a sidecar of Roost already', surprising: false };
  const reason = obstacleOf(pod);
  return reason === undefined ? undefined : { reason, surprising: true };
}

/** Injected by Roost: a container named roost alone is not enough. */
export function isInjected(pod: PodTemplate): boolean {
  return pod.metadata?.annotations?.[STATUS_ANNOTATION] !== undefined;
}

/** What keeps a sidecar from working in this pod. */
function obstacleOf({ spec, metadata }: PodTemplate): string | undefined {
  if (spec.hostNetwork === true)
    return 'it uses hostNetwork, and redirect rules would catch the traffic of the whole node';
  const system = spec.os?.name ?? spec.nodeSelector?.['kubernetes.io/os'];
  if (system === 'windows') return 'it runs on Windows, where connections cannot be redirected';
  const all = [...spec.containers, ...(spec.initContainers ?? [])];
  const other = all.find(({ name }) => Object.hasOwn(OTHER_SIDECARS, name));
  if (other !== undefined)
    return `it has the sidecar "${other.name}" of ${OTHER_SIDECARS[other.name]}, and two sidecars would redirect each other`;
  if (metadata?.annotations?.['linkerd.io/inject'] === 'enabled')
    return 'its annotation linkerd.io/inject asks for a sidecar of Linkerd, and two sidecars would redirect each other';
  return undefined;
}

/** What has to be changed in a pod before it can have a sidecar. */
export function findConflicts(
  pod: PodTemplate,
  mode: SidecarMode,
  owner: Owner,
  options: PodOptions,
): Problem[] {
  const { spec } = pod;
  const at = (list: 'containers' | 'initContainers') => (container: Container, index: number) => ({
    container,
    path: ['spec', list, index] as const,
  });
  const apps = spec.containers.map(at('containers'));
  const all = [...apps, ...(spec.initContainers ?? []).map(at('initContainers'))];
  return [
    ...all.flatMap(({ container, path }) => nameConflict(container, path)),
    ...all.flatMap(({ container, path }) => portConflict(container, path)),
    ...apps.flatMap(({ container, path }) => userConflicts(container, path, spec.securityContext)),
    ...jobConflict(pod, mode, owner),
    ...excludedSidecarPorts(options),
  ];
}

type At = readonly (string | number)[];

function nameConflict({ name }: Container, path: At): Problem[] {
  if (!OWN_CONTAINERS.includes(name)) return [];
  const message = `is "${name}", which Roost needs for its own container; rename it, or label the pod ${INJECT_LABEL}: disabled`;
  return [{ path: [...path, 'name'], message }];
}

function portConflict({ name, ports }: Container, path: At): Problem[] {
  const own: readonly number[] = Object.values(SIDECAR_PORTS);
  return (ports ?? []).flatMap(({ containerPort }, i) =>
    own.includes(containerPort)
      ? [
          {
            path: [...path, 'ports', i, 'containerPort'],
            message: `is ${containerPort}, which the sidecar listens on; give "${name}" another port`,
          },
        ]
      : [],
  );
}

/** The rules leave the sidecar's user and group alone, so an app of either would not be intercepted. */
function userConflicts(
  { name, securityContext }: Container,
  path: At,
  podContext: PodTemplate['spec']['securityContext'],
): Problem[] {
  return (['runAsUser', 'runAsGroup'] as const).flatMap((field) => {
    const own = securityContext?.[field] ?? undefined;
    if ((own ?? podContext?.[field]) !== SIDECAR_UID) return [];
    const where = own === undefined ? ['spec'] : path;
    const what = field === 'runAsUser' ? 'user' : 'group';
    const message = `is ${SIDECAR_UID}, the ${what} of the sidecar, so the calls of "${name}" would not be intercepted; use another ${what}`;
    return [{ path: [...where, 'securityContext', field], message }];
  });
}

/** A classic container goes on running when the app has ended. */
function jobConflict({ spec }: PodTemplate, mode: SidecarMode, { kind }: Owner): Problem[] {
  const ends = ['Job', 'CronJob'].includes(kind) || ['Never', 'OnFailure'].includes(spec.restartPolicy ?? '');
  if (mode === 'native' || !ends) return [];
  const message = `is a pod that ends, and a sidecar of mode "container" would keep it running; use roost.dev/sidecar: native`;
  return [{ path: ['spec', 'restartPolicy'], message }];
}

function excludedSidecarPorts({ excludeInboundPorts = [] }: PodOptions): Problem[] {
  const wrong = excludeInboundPorts.find((port) => port === SIDECAR_PORTS.inbound);
  if (wrong === undefined) return [];
  const path = ['metadata', 'annotations', 'roost.dev/exclude-inbound-ports'];
  return [{ path, message: `has ${wrong}, the port of the "${SIDECAR_CONTAINER}" container; take it out` }];
}
