import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { isReady } from '../../test/support/case-world.js';
import type { NamedBackend } from '../../test/support/fast-traffic.js';
import { toAddress } from '../../test/support/mesh.js';
import { startControlPlane, startSidecar } from '../../test/support/processes.js';
import { meshService, USER_KEY } from '../../test/support/shop.js';
import { HOST, type Pods, type StickyPeer, type StickyPeerProgram, type Weights } from './sticky-peer.js';

const IN_FORCE_MS = 10_000;

/** Two sidecars of one caller under one control plane. */
export const roostSessions: StickyPeerProgram = {
  name: 'Roost',
  how: 'header, persistent; two sidecars share pins',
  missing: () => undefined,
  async start(owner, pods, weights) {
    const { grpc } = await startControlPlane(owner, []);
    const client = new ControlPlaneClient(toAddress(grpc));
    owner.teardown(() => client.close());
    const sidecar = () => startSidecar(owner, ['--service', 'frontend.shop', '--control-plane', grpc]);
    const [first, second] = await Promise.all([sidecar(), sidecar()]);
    const roost = new RoostSessions([first.outbound, second.outbound], client, pods);
    await roost.split(weights);
    for (const { admin } of [first, second]) await isReady(admin);
    return roost;
  },
};

class RoostSessions implements StickyPeer {
  private releases: readonly (readonly [name: string, pods: readonly NamedBackend[]])[];

  constructor(
    readonly addresses: readonly [string, string],
    private readonly client: ControlPlaneClient,
    pods: Pods,
  ) {
    this.releases = Object.entries(pods);
  }

  async split(weights: Weights): Promise<void> {
    const names = this.releases.map(([name]) => name as keyof Weights);
    const split = Object.fromEntries(names.map((name) => [name, weights[name]]));
    const versions = this.releases.map(([name, pods]) => ({
      name,
      endpoints: pods.map(({ address }) => ({ address })),
    }));
    const affinity = { key: USER_KEY, version: 'persistent', endpoint: 'persistent', salt: 'auto' };
    const document = meshService(`${HOST}.shop`, split, { versions, affinity });
    const { revision } = await this.client.call<{ revision: number }>('Apply', {
      documents: [toStruct(document)],
    });
    for await (const _ of this.client.stream('Await', { revision, timeoutMs: IN_FORCE_MS }, IN_FORCE_MS));
  }

  drain(): Promise<void> {
    return this.split({ v1: 100, v2: 0 });
  }

  async replace(pods: readonly NamedBackend[], weights: Weights): Promise<void> {
    const [stable] = this.releases;
    if (stable === undefined) throw new Error('there is no v1');
    this.releases = [stable];
    await this.split({ v1: 100, v2: 0 });
    this.releases = [stable, ['v2', pods]];
    await this.split(weights);
  }
}
