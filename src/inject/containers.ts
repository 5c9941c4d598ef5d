import type { PodOptions, SidecarMode } from './annotations.js';
import type { ReleaseSource } from './identity.js';
import { REDIRECT_CONTAINER, SIDECAR_CONTAINER, SIDECAR_PORTS, SIDECAR_UID, STATE_VOLUME } from './names.js';
import { DEFAULT_RESOURCES, type InjectSettings } from './settings.js';

/** What the two containers depend on. */
export interface SidecarPlan {
  readonly settings: InjectSettings;
  readonly options: PodOptions;
  readonly mode: SidecarMode;
  readonly service: string;
  readonly release: ReleaseSource | undefined;
  /** Ports of the app whose TCP probes ask the sidecar. */
  readonly probedPorts: readonly number[];
  /** How long after the pod the app is told to end; see `hold.ts`. */
  readonly holdSeconds: number;
  readonly terminationGracePeriodSeconds: number;
}

const STATE_FOLDER = '/var/lib/roost';

/** Runs once, before the sidecar, and ends: writes the rules that lead the pod's connections to the sidecar. */
export function redirectContainer({ settings, options }: SidecarPlan): object {
  // The metrics port answers the kubelet and Prometheus itself.
  const inbound = [SIDECAR_PORTS.metrics, ...(options.excludeInboundPorts ?? [])];
  return {
    name: REDIRECT_CONTAINER,
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: [
      'redirect',
      'apply',
      `--uid=${SIDECAR_UID}`,
      `--exclude-inbound-ports=${inbound.join(',')}`,
      ...listFlag('exclude-outbound-ports', options.excludeOutboundPorts),
      ...listFlag('exclude-outbound-cidrs', options.excludeOutboundCidrs),
    ],
    resources: {
      requests: { cpu: '10m', memory: '64Mi' },
      limits: { memory: '256Mi' },
    },
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

/** Passes the Pod Security profile `restricted`. */
export function sidecarContainer(plan: SidecarPlan): object {
  const { settings, options, mode, service, release } = plan;
  return {
    name: SIDECAR_CONTAINER,
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: sidecarArguments(plan),
    env: [
      { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
      { name: 'ROOST_SERVICE', value: `${service}.$(POD_NAMESPACE)` },
      ...(release === undefined ? [] : [{ name: 'ROOST_RELEASE', ...releaseValue(release) }]),
    ],
    ports: [{ name: 'roost-metrics', containerPort: SIDECAR_PORTS.metrics, protocol: 'TCP' }],
    ...(mode === 'native' ? { restartPolicy: 'Always' } : {}),
    lifecycle: lifecycle(mode),
    ...probes(mode),
    resources: resources(options),
    securityContext: {
      runAsUser: SIDECAR_UID,
      runAsGroup: SIDECAR_UID,
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [{ name: STATE_VOLUME, mountPath: STATE_FOLDER }],
  };
}

/** Keeps the last good configuration, so that a sidecar that restarts does not wait for the control plane. */
export const stateVolume = { name: STATE_VOLUME, emptyDir: { sizeLimit: '64Mi' } };

function sidecarArguments({ settings, options, probedPorts, ...plan }: SidecarPlan): string[] {
  return [
    'sidecar',
    '--intercept',
    `--control-plane=${settings.controlPlane}`,
    `--metrics=[::]:${SIDECAR_PORTS.metrics}`,
    `--state-dir=${STATE_FOLDER}/state`,
    ...listFlag('opaque-ports', options.opaquePorts),
    ...listFlag('tcp-probes', probedPorts),
    ...textFlag('log-level', options.logLevel),
    ...textFlag('access-log', options.accessLog),
    ...drainFlags(plan.terminationGracePeriodSeconds, plan.holdSeconds),
  ];
}

/** Of `roost sidecar`: a drain takes 15 s, of which 5 s are grace. */
const DRAIN_SECONDS = 15;
const GRACE_SECONDS = 5;

/**
 * A drain must end before the kubelet kills the pod: a shorter period shortens it. While the app is held, the sidecar
 * takes connections for it.
 */
function drainFlags(periodSeconds: number, holdSeconds: number): string[] {
  const drain = Math.min(DRAIN_SECONDS, Math.max(0, periodSeconds - 1));
  const grace = Math.min(drain, Math.max(holdSeconds, Math.min(GRACE_SECONDS, Math.floor(drain / 3))));
  return [
    ...(drain === DRAIN_SECONDS ? [] : [`--drain-timeout=${drain}s`]),
    ...(grace === GRACE_SECONDS ? [] : [`--drain-grace=${grace}s`]),
  ];
}

function listFlag(name: string, values: readonly (number | string)[] = []): string[] {
  return values.length === 0 ? [] : [`--${name}=${values.join(',')}`];
}

function textFlag(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`--${name}=${value}`];
}

function releaseValue(release: ReleaseSource): object {
  if ('value' in release) return { value: release.value };
  return { valueFrom: { fieldRef: { fieldPath: `metadata.labels['${release.label}']` } } };
}

const ADMIN = `http://127.0.0.1:${SIDECAR_PORTS.admin}`;

/** The pod begins to end: callers are told to go elsewhere while the app still answers (docs/drain.md). */
const ANNOUNCE_END = `fetch('${ADMIN}/drain', { method: 'POST' })`;

/** Kubernetes starts the next container when this ends; after ten minutes it restarts the sidecar. */
const WAIT_UNTIL_READY = `const ask = (left) => fetch('${ADMIN}/ready').then((r) => r.ok).catch(() => false).then((ok) => ok ? 0 : left > 0 ? setTimeout(ask, 500, left - 1) : process.exit(1)); ask(1200)`;

function lifecycle(mode: SidecarMode): object {
  const preStop = { exec: { command: ['node', '-e', ANNOUNCE_END] } };
  if (mode === 'native') return { preStop };
  return { postStart: { exec: { command: ['node', '-e', WAIT_UNTIL_READY] } }, preStop };
}

/** The app's containers start once the startup probe of a native sidecar has succeeded. */
function probes(mode: SidecarMode): object {
  const ask = (path: string) => ({ httpGet: { path, port: SIDECAR_PORTS.metrics } });
  const running = {
    readinessProbe: { ...ask('/ready'), periodSeconds: 5, timeoutSeconds: 3 },
    livenessProbe: { ...ask('/live'), periodSeconds: 10, timeoutSeconds: 5 },
  };
  if (mode === 'container') return running;
  return {
    startupProbe: { ...ask('/ready'), periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 },
    ...running,
  };
}

function resources(options: PodOptions): object {
  const limits = {
    ...(options.cpuLimit === undefined ? {} : { cpu: options.cpuLimit }),
    memory: options.memoryLimit ?? DEFAULT_RESOURCES.memoryLimit,
  };
  const requests = {
    cpu: options.cpuRequest ?? DEFAULT_RESOURCES.cpuRequest,
    memory: options.memoryRequest ?? DEFAULT_RESOURCES.memoryRequest,
  };
  return { requests, limits };
}
