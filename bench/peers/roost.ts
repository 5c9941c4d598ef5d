import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Backends, podsOf } from '../backends/backends.js';
import { freePorts } from '../free-ports.js';
import type { RunningProcess } from '../processes.js';
import { AUTHORITY, CANARY_SHARE, KEY_HEADER } from '../workloads.js';
import type { Peer, PeerContext, StartedPeer } from './peer.js';

/** The built command, as `npx roost` runs it. */
export const ROOST = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

export type AffinityMode = 'none' | 'balanced' | 'persistent';

export interface RoostOptions {
  /** How sessions are kept; `none`: not at all. */
  readonly affinity: AffinityMode;
  /** More for the control plane to serve: folders or files with MeshServices. */
  readonly config: readonly string[];
  /** It calls backends over TLS. */
  readonly tls?: boolean;
  /** For the sidecar's Node, such as `--cpu-prof`. */
  readonly nodeArgs: readonly string[];
  /** For the sidecar. */
  readonly flags?: readonly string[];
  /** Other versions of the command; default: this one. */
  readonly programs?: Programs;
  /** Of the service, before the route that all requests take. */
  readonly routes?: readonly object[];
}

interface Programs {
  readonly sidecar: string;
  readonly controlPlane: string;
}

/** A sidecar with a control plane of its own, both as users run them. */
export interface StartedRoost extends StartedPeer {
  readonly proxy: RunningProcess;
}

export const roost: Peer = {
  name: 'roost',
  description: "Roost's sidecar (outbound), configured by its control plane over xDS; Node as it comes",
  remedy: '',
  version: () =>
    (
      JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
        version: string;
      }
    ).version,
  start: startBoth,
};

const AS_IT_COMES: RoostOptions = { affinity: 'balanced', config: [], nodeArgs: [] };

/** Where the run has TLS, a second sidecar does that: requests name the same service in all workloads. */
async function startBoth(context: PeerContext): Promise<StartedPeer> {
  const plain = await startRoost(context, AS_IT_COMES);
  if (context.backends.certificate === undefined) return plain;
  const folder = join(context.folder, 'tls');
  const tls = await startRoost({ ...context, folder }, { ...AS_IT_COMES, tls: true });
  const stop = async () => {
    await plain.stop();
    await tls.stop();
  };
  return { ...plain, tlsPort: tls.port, tlsProxy: tls.proxy, stop };
}

export async function startRoost(context: PeerContext, options: RoostOptions): Promise<StartedRoost> {
  const { folder, backends } = context;
  const file = join(folder, 'checkout.json');
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, JSON.stringify(checkout(backends, options)));
  return startMesh(context, { ...options, config: [file, ...options.config] });
}

/** A sidecar, its control plane and their ports, without a word on what they serve. */
export interface StartedMesh extends StartedRoost {
  readonly admin: number;
  /** Of the control plane: configuration API and xDS. */
  readonly grpc: number;
}

export async function startMesh(
  context: Omit<PeerContext, 'backends' | 'folder'>,
  options: Pick<RoostOptions, 'nodeArgs' | 'config' | 'flags' | 'programs'>,
): Promise<StartedMesh> {
  const { processes } = context;
  const programs = options.programs ?? { sidecar: ROOST, controlPlane: ROOST };
  const [port, inbound, admin, grpc, http] = (await freePorts(5)) as [number, number, number, number, number];
  const config = options.config.flatMap((path) => ['--config', path]);
  const controlPlane = processes.start(
    process.execPath,
    [
      programs.controlPlane,
      'control-plane',
      ...config,
      '--grpc',
      `127.0.0.1:${grpc}`,
      '--http',
      `127.0.0.1:${http}`,
    ],
    { name: "Roost's control plane", cores: context.loadCores },
  );
  await controlPlane.listening(grpc);
  const addresses = { outbound: port, inbound, admin, 'control-plane': grpc };
  const listening = Object.entries(addresses).flatMap(([name, p]) => [`--${name}`, `127.0.0.1:${p}`]);
  const flags = [...listening, ...(options.flags ?? [])];
  const proxy = processes.start(
    process.execPath,
    [...options.nodeArgs, programs.sidecar, 'sidecar', '--service', 'frontend.shop', ...flags],
    { name: "Roost's sidecar", cores: context.proxyCores },
  );
  await proxy.listening(admin);
  await ready(admin, proxy);
  const stop = async () => {
    await processes.stop(proxy);
    await processes.stop(controlPlane);
  };
  return { proxy, port, admin, grpc, tlsPort: undefined, stop };
}

/** Two releases 80/20 by the session's hash, consistent hashing within a release, retries. YAML is a superset of JSON. */
function checkout(backends: Backends, { affinity, tls = false, routes = [] }: RoostOptions): object {
  const [name, namespace] = AUTHORITY.split('.');
  const endpoints = (release: 'v1' | 'v2') =>
    podsOf(backends, release).map(({ port, tlsPort }) => ({
      address: `127.0.0.1:${tls ? tlsPort : port}`,
    }));
  const canary = CANARY_SHARE * 100;
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace },
    spec: {
      port: 80,
      versions: [
        { name: 'v1', endpoints: endpoints('v1') },
        { name: 'v2', endpoints: endpoints('v2') },
      ],
      routes: [
        ...routes,
        {
          name: 'default',
          split: [
            { version: 'v1', weight: 100 - canary },
            { version: 'v2', weight: canary },
          ],
          retries: { attempts: 2, on: ['connect-failure', 'reset', '503'] },
        },
      ],
      ...(tls ? { tls: { serverName: AUTHORITY, caFile: backends.certificate?.certFile } } : {}),
      ...(affinity === 'none'
        ? {}
        : { affinity: { key: [{ header: KEY_HEADER }], version: affinity, endpoint: affinity } }),
    },
  };
}

/** Returns once a sidecar is ready. @param admin its port */
export async function ready(admin: number, proxy: RunningProcess): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${admin}/ready`).catch(() => undefined);
    await response?.text();
    if (response?.status === 200) return;
    if (proxy.hasEnded || Date.now() > deadline)
      throw new Error(`the sidecar does not become ready: ${proxy.output.trim()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
