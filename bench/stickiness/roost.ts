import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import type { NamedBackend } from '../../test/support/fast-traffic.js';
import { toAddress } from '../../test/support/mesh.js';
import { eventually, startControlPlane, startSidecar } from '../../test/support/processes.js';
import {
  HOST,
  type Pods,
  type StickyPeer,
  type StickyPeerProgram,
  USER_HEADER,
  type Weights,
} from './sticky-peer.js';

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
    const roost = new RoostSessions(client, pods);
    await roost.split(weights);
    const sidecar = () => startSidecar(owner, ['--service', 'frontend.shop', '--control-plane', grpc]);
    const [first, second] = await Promise.all([sidecar(), sidecar()]);
    for (const { admin } of [first, second])
      await eventually(
        'a sidecar is ready',
        async () => (await fetch(`http://${admin}/ready`)).status === 200,
      );
    return Object.assign(roost, { addresses: [first.outbound, second.outbound] as const });
  },
};

class RoostSessions implements Omit<StickyPeer, 'addresses'> {
  private releases: readonly (readonly [name: string, pods: readonly NamedBackend[]])[];

  constructor(
    private readonly client: ControlPlaneClient,
    pods: Pods,
  ) {
    this.releases = Object.entries(pods);
  }

  async split(weights: Weights): Promise<void> {
    const split = this.releases.map(([version]) => ({ version, weight: weights[version as 'v1' | 'v2'] }));
    await this.apply({
      versions: this.releases.map(([name, pods]) => ({
        name,
        endpoints: pods.map(({ address }) => ({ address })),
      })),
      routes: [{ name: 'default', split }],
    });
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

  private async apply(spec: object): Promise<void> {
    const key = [{ header: USER_HEADER }];
    const affinity = { key, version: 'persistent', endpoint: 'persistent', salt: 'auto' };
    const document = {
      apiVersion: 'roost.dev/v1alpha1',
      kind: 'MeshService',
      metadata: { name: HOST, namespace: 'shop' },
      spec: { port: 80, affinity, ...spec },
    };
    const { revision } = await this.client.call<{ revision: number }>('Apply', {
      documents: [toStruct(document)],
    });
    for await (const _ of this.client.stream('Await', { revision, timeoutMs: IN_FORCE_MS }, IN_FORCE_MS));
  }
}
