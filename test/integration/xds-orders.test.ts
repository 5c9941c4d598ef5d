import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { AdsClient } from '../../sidecar/discovery/ads-client.js';
import { ControlPlanes } from '../../sidecar/discovery/control-planes.js';
import { DeltaClient } from '../../sidecar/discovery/delta-client.js';
import { ListenerDemand } from '../../sidecar/discovery/listener-demand.js';
import { MeshConfiguration } from '../../sidecar/discovery/mesh-configuration.js';
import { SotwClient } from '../../sidecar/discovery/sotw-client.js';
import { INSECURE } from '../../src/access/channel-security.js';
import { createLogger } from '../../src/telemetry/logger.js';
import type { Message } from '../../src/xds/descriptors.js';
import { kindOfTypeUrl, type ResourceKind } from '../../src/xds/resource-types.js';
import { entry, ScriptedAdsServer } from '../support/ads-server.js';
import { quietRegistry } from '../support/cluster-registry.js';
import { eventually } from '../support/processes.js';
import {
  expectedTable,
  resourcesOf,
  type ScriptedMesh,
  scriptedMesh,
  TYPES,
} from '../support/xds/scripted-mesh.js';

/**
 * A server may send resources in any order, a few at a time, again and again, take them away and bring them back, end
 * the stream in between: whatever it does, no host in force ever lacks the endpoints of a cluster that it names, and
 * in the end the routing table is what the server has.
 */

const silent = createLogger('test', 'silent');
const NOW = () => 0;

function newSidecar(t: Test, address: ScriptedAdsServer['address'], protocol: 'delta' | 'sotw') {
  const clusters = quietRegistry(NOW);
  const configuration: MeshConfiguration = new MeshConfiguration({
    clusters,
    demand: new ListenerDemand({
      dependencies: undefined,
      own: '',
      onDemand: undefined,
      subscribe: (changes) => client.subscribe('listener', changes),
    }),
    subscribe: (kind, changes) => client.subscribe(kind, changes),
    nowMs: NOW,
    log: silent,
  });
  const Client = protocol === 'delta' ? DeltaClient : SotwClient;
  const client: AdsClient = new Client({
    controlPlanes: new ControlPlanes([{ address, security: INSECURE }]),
    node: { id: 'sidecar' },
    consumer: configuration,
    ignoresDeletion: false,
    nowMs: NOW,
    log: silent,
  });
  configuration.start();
  client.start();
  const close = () => {
    client.close();
    clusters.close();
  };
  t.teardown(close);
  return { configuration, close };
}

/** The routing table in the form of {@link expectedTable}. */
function tableOf({ table }: MeshConfiguration): Record<string, Record<string, string[]>> {
  return Object.fromEntries(
    (table?.virtualHosts ?? []).map((host) => [
      `${host.name}.test`,
      Object.fromEntries(
        (host.routes[0]?.split.releases ?? []).map(({ cluster }) => [
          cluster.name,
          cluster.endpoints.endpoints.map(({ address }) => address),
        ]),
      ),
    ]),
  );
}

/** Says things as a server may, and knows what its client has asked for. */
class LegalServer {
  private nonce = 0;
  private read = 0;
  private streams = 1;
  private names = newNames();
  /** Delta: names that the client has been told of. */
  private told = newNames();
  /** Clusters that the client, while it wanted them, was told are not there, or have no endpoints. */
  private readonly denied = new Set<string>();

  constructor(
    private readonly server: ScriptedAdsServer,
    private readonly protocol: 'delta' | 'sotw',
    private mesh: ScriptedMesh,
  ) {}

  async connected(): Promise<void> {
    await eventually('the client asks', () => this.server.requests.length > 0);
  }

  become(mesh: ScriptedMesh): void {
    this.mesh = mesh;
  }

  hasDenied(cluster: string): boolean {
    return this.denied.has(cluster);
  }

  /** Ends the stream, and waits for the next. */
  async breakOff(): Promise<void> {
    this.streams = this.server.streams + 1;
    this.server.end();
    await eventually('the client is back', () => this.server.streams === this.streams);
    await this.connected();
    [this.names, this.told, this.read] = [newNames(), newNames(), 0];
  }

  /**
   * Sends some of what the client wants of a type, and waits for the answer.
   *
   * @param picks which of it: a bit each
   * @returns whether there was anything to say
   */
  async deliver(kind: ResourceKind, picks: number): Promise<boolean> {
    this.hear();
    const wanted = this.names[kind];
    if (wanted.size === 0) return false;
    const all = resourcesOf(this.mesh)[kind];
    const covered = wanted.has('*') ? Object.keys(all) : [...wanted].filter((name) => name in all);
    // State of the world: listeners and clusters are complete.
    const whole = this.protocol === 'sotw' && (kind === 'listener' || kind === 'cluster');
    const chosen = covered.filter((_, i) => whole || ((picks >> i) & 1) === 1);
    const missing = [...this.told[kind], ...wanted].filter((name) => name !== '*' && !(name in all));
    const removed = missing.filter((_, i) => ((picks >> (i + 4)) & 1) === 1);
    for (const name of chosen) this.told[kind].add(name);
    const nonce = `n${++this.nonce}`;
    const message = (name: string) => ({ kind, message: all[name] as object });
    const entries = chosen.map((name) => entry(name, JSON.stringify(all[name]), message(name)));
    const gone = this.protocol === 'delta' ? [...new Set(removed)] : [];
    this.note(kind, chosen, gone);
    this.server.say(kind, nonce, entries, gone);
    const answer = await this.server.answer(kind, nonce);
    if (answer.errorDetail) throw new Error(JSON.stringify(answer.errorDetail));
    return true;
  }

  /** Says all there is until the client asks for nothing more. */
  async settle(order: readonly ResourceKind[]): Promise<void> {
    for (let before = ''; ; ) {
      for (const kind of order) await this.deliver(kind, -1);
      this.hear();
      const now = JSON.stringify(TYPES.map((kind) => [...this.names[kind]].sort()));
      if (now === before) return;
      before = now;
    }
  }

  private note(kind: ResourceKind, sent: readonly string[], gone: readonly string[]): void {
    if (kind === 'endpoint') for (const name of sent) this.denied.delete(name);
    if (kind === 'cluster' || kind === 'endpoint')
      for (const name of gone) if (this.names[kind].has(name)) this.denied.add(name);
  }

  private hear(): void {
    for (; this.read < this.server.requests.length; this.read++) {
      const request = this.server.requests[this.read] as Message;
      const kind = kindOfTypeUrl(String(request.typeUrl)) as ResourceKind;
      if (this.protocol === 'delta') {
        for (const name of request.resourceNamesSubscribe as string[]) this.names[kind].add(name);
        for (const name of request.resourceNamesUnsubscribe as string[]) {
          this.names[kind].delete(name);
          if (kind === 'cluster') this.denied.delete(name);
        }
        for (const name of Object.keys((request.initialResourceVersions as object) ?? {}))
          this.told[kind].add(name);
      } else {
        const names = request.resourceNames as string[];
        const isWildcard = names.length === 0 && kind === 'listener';
        this.names[kind] = new Set(isWildcard ? ['*'] : names);
      }
    }
  }
}

function newNames(): Record<ResourceKind, Set<string>> {
  return { listener: new Set(), route: new Set(), cluster: new Set(), endpoint: new Set() };
}

/** What a server does: says something of a type, has other resources from now on, or ends the stream. */
type Step = { readonly kind: ResourceKind; readonly picks: number } | 'change' | 'break';
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constantFrom(...TYPES), picks: fc.nat(255) }) },
  { weight: 2, arbitrary: fc.constant('change' as const) },
  { weight: 1, arbitrary: fc.constant('break' as const) },
);
const orders = fc.shuffledSubarray([...TYPES], { minLength: TYPES.length });

for (const protocol of ['delta', 'sotw'] as const) {
  t.test(`${protocol}: whatever the order, hosts in force are whole, and in the end all is`, async (t) => {
    const meshes = fc.array(scriptedMesh, { minLength: 1, maxLength: 3 });
    const property = fc.asyncProperty(
      meshes,
      fc.array(step, { maxLength: 30 }),
      orders,
      async (all, steps, order) => {
        const server = await ScriptedAdsServer.start(t);
        const { configuration, close } = newSidecar(t, server.address, protocol);
        const legal = new LegalServer(server, protocol, all[0] as ScriptedMesh);
        await legal.connected();
        const later = all.slice(1);
        for (const each of steps) {
          if (each === 'change') {
            const next = later.shift();
            if (next !== undefined) legal.become(next);
          } else if (each === 'break') await legal.breakOff();
          else await legal.deliver(each.kind, each.picks);
          for (const [host, clusters] of Object.entries(tableOf(configuration)))
            for (const [name, endpoints] of Object.entries(clusters))
              if (endpoints.length === 0 && !legal.hasDenied(name))
                throw new Error(`${host} is in force, and ${name} has no endpoints`);
        }
        const last = all.at(-1) as ScriptedMesh;
        legal.become(last);
        await legal.settle(order);
        const found = tableOf(configuration);
        close();
        server.stop();
        deepStrictEqual(found, expectedTable(last));
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });
}
