import fc from 'fast-check';
import t from 'tap';
import { translateService } from '../../../../control-plane/translate/service.js';
import type { ClusterRegistry } from '../../../../sidecar/cluster/cluster-registry.js';
import { ListenerDemand } from '../../../../sidecar/discovery/listener-demand.js';
import { MeshConfiguration } from '../../../../sidecar/discovery/mesh-configuration.js';
import type { ReceivedResource } from '../../../../sidecar/discovery/response-entries.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import type { NameChanges } from '../../../../src/xds/referenced-names.js';
import { PUSH_ORDER, type ResourceKind } from '../../../../src/xds/resource-types.js';
import { quietRegistry } from '../../../support/cluster-registry.js';
import { meshService } from '../../../support/shop.js';

type Resources = Record<ResourceKind, Map<string, ReceivedResource>>;

const perKind = <T>(make: () => T): Record<ResourceKind, T> => ({
  listener: make(),
  route: make(),
  cluster: make(),
  endpoint: make(),
});

/** Everything that services become, as a control plane would send it. */
function resourcesOf(services: readonly object[], version: string): Resources {
  const all = perKind(() => new Map<string, ReceivedResource>());
  const context = { pinSecret: Buffer.alloc(32), incarnation: () => '' };
  for (const document of services) {
    const { shared, localRoutes } = translateService(parseMeshService(document), context);
    for (const { kind, name, bytes } of [...shared, localRoutes])
      all[kind].set(name, { name, version, bytes });
  }
  return all;
}

/** A sidecar's configuration, and a server that sends it one type at a time, when the test says so. */
class World {
  readonly wanted = perKind(() => new Set<string>());
  readonly configuration: MeshConfiguration;
  readonly clusters: ClusterRegistry;
  private resources = perKind(() => new Map<string, ReceivedResource>());
  private readonly sent = perKind(() => new Map<string, string>());
  private readonly problems: string[] = [];

  constructor() {
    const log = createLogger('test', 'silent');
    const nowMs = () => 0;
    this.clusters = quietRegistry(nowMs);
    const subscribe = (kind: ResourceKind, { added, dropped }: NameChanges) => {
      for (const name of added) {
        if (this.wanted[kind].has(name)) this.problems.push(`${kind} ${name} is asked for twice`);
        this.wanted[kind].add(name);
      }
      for (const name of dropped) {
        this.wanted[kind].delete(name);
        this.sent[kind].delete(name);
      }
    };
    const demand = new ListenerDemand({
      dependencies: undefined,
      own: '',
      onDemand: undefined,
      subscribe: (changes) => subscribe('listener', changes),
    });
    this.configuration = new MeshConfiguration({ clusters: this.clusters, demand, subscribe, nowMs, log });
    this.configuration.start();
  }

  serve(resources: Resources): void {
    this.resources = resources;
  }

  /** Sends what has changed of a type and is wanted. @returns whether there was anything */
  deliver(kind: ResourceKind): boolean {
    const isWanted = (name: string) => this.wanted[kind].has('*') || this.wanted[kind].has(name);
    const resources = [...this.resources[kind].values()].filter(
      ({ name, version }) => isWanted(name) && this.sent[kind].get(name) !== version,
    );
    const gone = (name: string) => !this.resources[kind].has(name) && this.sent[kind].get(name) !== 'gone';
    const removed = [...new Set([...this.wanted[kind], ...this.sent[kind].keys()])].filter(
      (name) => name !== '*' && isWanted(name) && gone(name),
    );
    for (const { name, version } of resources) this.sent[kind].set(name, version);
    for (const name of removed) this.sent[kind].set(name, 'gone');
    const isFirst = kind === 'listener' && this.configuration.table === undefined;
    if (resources.length + removed.length === 0 && !isFirst) return false;
    for (const { name, reason } of this.configuration.onResources(kind, resources, removed))
      this.problems.push(`${name}: ${reason}`);
    return resources.length + removed.length > 0;
  }

  settle(): void {
    for (let more = true; more; ) {
      more = false;
      for (const kind of PUSH_ORDER) more = this.deliver(kind) || more;
    }
  }

  /** All that can be seen of it. */
  state(hosts: readonly string[]): string {
    const table = this.configuration.table;
    const found = hosts.map((host) => {
      const virtualHost = table?.find(host);
      const releases = virtualHost?.service.releases.map(
        ({ name, cluster }) => `${name}=${cluster.endpoints.endpoints.map(({ address }) => address)}`,
      );
      return `${host}: ${virtualHost?.service.label} ${releases} ${virtualHost?.routes.length}`;
    });
    const wanted = PUSH_ORDER.map((kind) => `${kind}: ${[...this.wanted[kind]].sort()}`);
    const clusters = this.clusters.clusters.map(({ name }) => name).sort();
    const keys = JSON.stringify([...(table?.keySources ?? [])].map((key) => JSON.stringify(key)).sort());
    return [...this.problems, ...found, ...wanted, `${clusters}`, keys, `${this.configuration.waiting}`].join(
      '\n',
    );
  }
}

t.test('whatever changes and in whatever order it arrives, what is in force is what there is', async (t) => {
  const names = ['a.shop', 'b.shop', 'c.other'];
  const variant = fc.record({
    split: fc.constantFrom({ v1: 1 }, { v1: 9, v2: 1 }, { v2: 1, v3: 1 }),
    spec: fc.record(
      {
        hosts: fc.subarray(['x.test', 'y.test']),
        affinity: fc.constantFrom(
          { key: [{ header: 'x-user' }], version: 'balanced', endpoint: 'balanced' },
          { key: [{ header: 'x-tenant' }], version: 'persistent', endpoint: 'none' },
        ),
      },
      { requiredKeys: [] },
    ),
  });
  const change = fc.record({
    name: fc.constantFrom(...names),
    to: fc.option(variant, { freq: 4 }),
  });
  const step = fc.oneof(fc.record({ change }), fc.record({ deliver: fc.constantFrom(...PUSH_ORDER) }));
  const hosts = ['a', 'a.shop:8080', 'b', 'b.shop', 'c', 'c.other', 'x.test', 'y.test:8080'];
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = new World();
      const services = new Map<string, object>();
      let version = 0;
      for (const s of steps) {
        if ('deliver' in s) {
          world.deliver(s.deliver);
          continue;
        }
        const { name, to } = s.change;
        // Only one service has the hosts, as the control plane sees to.
        const spec = name === 'a.shop' ? to?.spec : { ...to?.spec, hosts: [] };
        if (to === null) services.delete(name);
        else services.set(name, meshService(name, to.split, spec));
        world.serve(resourcesOf([...services.values()], String(++version)));
      }
      world.settle();
      const fresh = new World();
      fresh.serve(resourcesOf([...services.values()], 'all'));
      fresh.settle();
      if (world.state(hosts) !== fresh.state(hosts)) t.equal(world.state(hosts), fresh.state(hosts));
      return world.state(hosts) === fresh.state(hosts);
    }),
    { numRuns: 400 },
  );
});
