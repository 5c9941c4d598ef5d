import type { Test } from 'tap';
import type { SidecarOptions } from '../../../sidecar/assembly/sidecar-options.js';
import { DEFAULT_LIMITS, type HttpLimits } from '../../../sidecar/http/limits.js';
import type { Sidecar } from '../../../sidecar/sidecar.js';
import { type TestMesh, toAddress } from '../mesh.js';
import { encryption } from './encryption.js';
import { RawBackend, RawPeer } from './raw-peer.js';

export const DIRECTIONS = ['outbound', 'inbound'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** A way through one sidecar: a client on one side, one upstream on the other. */
export interface Path {
  readonly direction: Direction;
  readonly sidecar: Sidecar;
  readonly backend: RawBackend;
  /** What to write into `Host`. */
  readonly host: string;
  client(): Promise<RawPeer>;
}

export interface PathOptions {
  readonly limits?: Partial<HttpLimits>;
  /** Of the service's `spec`, on the outbound side. */
  readonly spec?: object;
  readonly sidecar?: Partial<SidecarOptions>;
  /** False: a sidecar that cannot become ready. */
  readonly ready?: boolean;
}

let services = 0;

/** A service of `shop` with one release behind these addresses; its name is new every time. */
export function newService(addresses: readonly string[], spec: object = {}) {
  const name = `service-${++services}`;
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace: 'shop' },
    spec: {
      port: 80,
      versions: [{ name: 'v1', endpoints: addresses.map((address) => ({ address })) }],
      ...spec,
    },
  };
}

/** A sidecar of its own with an upstream of its own behind its outbound or its inbound port. */
export async function startPath(
  t: Test,
  mesh: TestMesh,
  direction: Direction,
  options: PathOptions = {},
): Promise<Path> {
  const between = direction === 'outbound' ? encryption() : undefined;
  const backend = await RawBackend.start(t, between);
  const service = newService([backend.address], { ...options.spec, ...between?.spec });
  await mesh.apply(service);
  const settings = {
    drainTimeoutMs: 0,
    app: toAddress(backend.address),
    ...options.sidecar,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
  };
  const sidecar = await (options.ready === false ? mesh.startSidecar(settings) : mesh.sidecar(settings));
  return {
    direction,
    sidecar,
    backend,
    host: service.metadata.name,
    client: () => RawPeer.connect(t, sidecar.addresses[direction]),
  };
}

/** A test for either direction, of those that differ from a run before. */
export function inEachDirection(
  t: Test,
  mesh: () => TestMesh,
  title: string,
  body: (t: Test, path: Path) => Promise<void>,
  options: PathOptions = {},
): void {
  for (const direction of encryption() ? ['outbound' as const] : DIRECTIONS) {
    t.test(`${title} (${direction})`, async (t) => body(t, await startPath(t, mesh(), direction, options)));
  }
}
