import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { isReady } from '../../test/support/case-world.js';
import type { NamedBackend } from '../../test/support/fast-traffic.js';
import { toAddress } from '../../test/support/mesh.js';
import type { Owner } from '../../test/support/owner.js';
import { startControlPlane, startSidecar } from '../../test/support/processes.js';
import { meshService, USER_KEY } from '../../test/support/shop.js';
import {
  HOST,
  type Pods,
  type StickyPeer,
  type StickyPeerProgram,
  TESTER_HEADER,
  type Weights,
} from './sticky-peer.js';

const IN_FORCE_MS = 10_000;
/** Twice what a sidecar may take to learn a pin (p99). */
const SPREAD_MS = 500;

interface Way {
  readonly name: string;
  readonly key: StickyPeerProgram['key'];
  readonly mode: 'persistent' | 'balanced';
}

function program({ name, key, mode }: Way): StickyPeerProgram {
  const shares = key === 'header';
  return {
    name: `Roost ${name}`,
    how: `\`${mode}\` at both levels, \`salt: auto\`; two sidecars of one caller; health checks; changed by \`apply\``,
    key,
    spreadMs: shares ? SPREAD_MS : 0,
    missing: () => undefined,
    start: (owner, pods, weights) => Roost.start(owner, { name, key, mode }, pods, weights),
  };
}

export const roostPrograms: readonly StickyPeerProgram[] = [
  program({ name: 'header', key: 'header', mode: 'persistent' }),
  program({ name: 'balanced', key: 'header', mode: 'balanced' }),
  program({ name: 'cookie', key: 'cookie', mode: 'persistent' }),
];

/** Two sidecars of one caller under one control plane. */
class Roost implements StickyPeer {
  private releases: readonly (readonly [name: string, pods: readonly NamedBackend[]])[];

  private constructor(
    readonly addresses: readonly [string, string],
    private readonly client: ControlPlaneClient,
    private readonly way: Way,
    pods: Pods,
  ) {
    this.releases = Object.entries(pods);
  }

  static async start(owner: Owner, way: Way, pods: Pods, weights: Weights): Promise<Roost> {
    const { grpc } = await startControlPlane(owner, []);
    const client = new ControlPlaneClient(toAddress(grpc));
    owner.teardown(() => client.close());
    const sidecar = () => startSidecar(owner, ['--service', 'frontend.shop', '--control-plane', grpc]);
    const [first, second] = await Promise.all([sidecar(), sidecar()]);
    const roost = new Roost([first.outbound, second.outbound], client, way, pods);
    await roost.split(weights);
    for (const { admin } of [first, second]) await isReady(admin);
    return roost;
  }

  async split(weights: Weights): Promise<void> {
    const document = toStruct(this.service(weights));
    const { revision } = await this.client.call<{ revision: number }>('Apply', { documents: [document] });
    for await (const _ of this.client.stream('Await', { revision, timeoutMs: IN_FORCE_MS }, IN_FORCE_MS));
  }

  drain(): Promise<void> {
    return this.split({ v1: 100, v2: 0 });
  }

  remove(): Promise<void> {
    this.releases = this.releases.filter(([name]) => name === 'v1');
    return this.split({ v1: 100, v2: 0 });
  }

  replace(pods: readonly NamedBackend[], weights: Weights): Promise<void> {
    this.releases = [...this.releases, ['v2', pods]];
    return this.split(weights);
  }

  private service(weights: Weights): object {
    const { key, mode } = this.way;
    const split = this.releases.map(([name]) => ({ version: name, weight: weights[name as keyof Weights] }));
    const tester = {
      name: 'testers',
      match: [{ headers: [{ name: TESTER_HEADER, exact: 'yes' }] }],
      split: [{ version: 'v2', weight: 1 }],
    };
    const source = key === 'header' ? USER_KEY : [{ cookie: { name: 'roost-checkout', ttl: '1h' } }];
    return meshService(`${HOST}.shop`, undefined, {
      versions: this.releases.map(([name, pods]) => ({
        name,
        endpoints: pods.map(({ address }) => ({ address })),
      })),
      routes: [...(this.releases.length > 1 ? [tester] : []), { name: 'default', split }],
      health: { interval: '200ms', unhealthyThreshold: 2, healthyThreshold: 1 },
      affinity: { key: source, version: mode, endpoint: mode, salt: 'auto' },
    });
  }
}
