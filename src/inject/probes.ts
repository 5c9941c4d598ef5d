import type { Path } from '../model/problems.js';
import type { Edit } from './edits.js';
import { APP_PORT_PATH, SIDECAR_PORTS } from './names.js';
import type { Container, PodTemplate } from './pod-schema.js';

/**
 * TCP probes. The kubelet's connection would arrive at the sidecar, which accepts every connection: the probe would
 * succeed while the app is not listening. So the kubelet asks the sidecar over HTTP whether the app listens. HTTP and
 * gRPC probes pass through the sidecar to the port they name, and fail if the app does; exec probes are not network
 * traffic.
 */

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const;

export interface TcpProbe {
  /** Of the map that has `tcpSocket`, from the pod. */
  readonly path: Path;
  readonly port: number;
  /** As it was written, to restore. */
  readonly tcpSocket: object;
}

/** The TCP probes that redirection would mislead. Ports that are not redirected keep theirs. */
export function findTcpProbes(pod: PodTemplate, excludedPorts: readonly number[]): TcpProbe[] {
  const { containers, initContainers } = pod.spec;
  return [
    ...containers.flatMap((container, i) => probesOf(container, ['spec', 'containers', i])),
    ...(initContainers ?? []).flatMap((container, i) => probesOf(container, ['spec', 'initContainers', i])),
  ].filter(({ port }) => !excludedPorts.includes(port));
}

function probesOf(container: Container, path: Path): TcpProbe[] {
  return PROBES.flatMap((name) => {
    const tcpSocket = container[name]?.tcpSocket;
    // Another host is not this pod.
    if (!tcpSocket || tcpSocket.host) return [];
    const port = numberOf(tcpSocket.port, container);
    return port === undefined ? [] : [{ path: [...path, name], port, tcpSocket }];
  });
}

/** A port by number or by name; undefined where the container has no such name, which the kubelet reports. */
function numberOf(port: number | string, { ports }: Container): number | undefined {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  return (ports ?? []).find(({ name }) => name === port)?.containerPort;
}

export function askSidecar({ path, port }: TcpProbe): Edit {
  const value = { path: `${APP_PORT_PATH}${port}`, port: SIDECAR_PORTS.metrics };
  return { op: 'exchange', path, key: 'tcpSocket', newKey: 'httpGet', value };
}

/** Undoes {@link askSidecar}. */
export function askApp(path: Path, tcpSocket: object): Edit {
  return { op: 'exchange', path, key: 'httpGet', newKey: 'tcpSocket', value: tcpSocket };
}
