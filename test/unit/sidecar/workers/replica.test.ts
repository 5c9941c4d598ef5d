import { MessageChannel } from 'node:worker_threads';
import fc from 'fast-check';
import t from 'tap';
import { translateService } from '../../../../control-plane/translate/service.js';
import { ClusterRegistry } from '../../../../sidecar/cluster/cluster-registry.js';
import { LiveCluster } from '../../../../sidecar/cluster/live-cluster.js';
import { FoundCounts, MadeCounts } from '../../../../sidecar/cluster/shared-counts.js';
import type { UpstreamEndpoint } from '../../../../sidecar/cluster/upstream-endpoint.js';
import { type Demand, MeshConfiguration } from '../../../../sidecar/discovery/mesh-configuration.js';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import { exclusivePools } from '../../../../sidecar/pool/exclusive-pool.js';
import { applySighting } from '../../../../sidecar/workers/endpoint-sightings.js';
import { Journal } from '../../../../sidecar/workers/journal.js';
import { JournalReader } from '../../../../sidecar/workers/journal-reader.js';
import { JournaledConsumer } from '../../../../sidecar/workers/journaled-consumer.js';
import { Replica } from '../../../../sidecar/workers/replica.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { findRoute, place } from '../../../../src/routing/decide.js';
import type { EndpointSet } from '../../../../src/routing/endpoint-set.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import type { RoutingTable } from '../../../../src/routing/table.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import type { EndpointConfig } from '../../../../src/xds/endpoint.js';
import { ELSEWHERE } from '../../../support/cluster-registry.js';

/** The main thread's configuration, and a worker's that is made of its journal; both in this thread. */
class Pair {
  nowMs = 100_000;
  readonly clusters: ClusterRegistry;
  readonly configuration: MeshConfiguration;
  readonly replica: Replica;
  readonly sidecarKeys: Uint8Array[] = [];
  readonly reader: JournalReader;
  private readonly consumer: JournaledConsumer;
  readonly journal: Journal;
  private readonly names = new Map<string, (found: readonly EndpointConfig[]) => void>();
  private readonly channel = new MessageChannel();
  private readonly delivered = new Map<string, Set<string>>();
  /** Listeners that are not asked for. */
  private readonly unwanted = new Set<string>();

  constructor() {
    const log = createLogger('test', 'silent');
    const inForce = new Int32Array(new SharedArrayBuffer(4));
    const [made, found] = [new MadeCounts(), new FoundCounts()];
    this.journal = new Journal(
      [this.channel.port1],
      inForce,
      made,
      () => this.configuration?.table !== undefined,
    );
    const settings = {
      newPool: exclusivePools({ limits: DEFAULT_LIMITS, nowMs: () => this.nowMs }),
      connectFailuresToEject: 3,
      nowMs: () => this.nowMs,
      machine: ELSEWHERE,
    };
    const ofClusters = {
      ...settings,
      counts: made,
      askForRoom: undefined,
      asksForCalled: false,
      onCondition: ({ name: cluster }: LiveCluster, { address, isRetired, condition }: UpstreamEndpoint) => {
        if (!isRetired) this.journal.write({ what: 'condition', cluster, address, condition });
      },
    };
    this.clusters = new ClusterRegistry(
      (name, onAwake) => new LiveCluster(name, ofClusters, log, onAwake),
      (cluster, _config, onEndpoints) => {
        this.names.set(cluster, onEndpoints);
        return { close: () => this.names.delete(cluster) };
      },
    );
    this.configuration = new MeshConfiguration({
      clusters: this.clusters,
      demand: this.demand(),
      subscribe: () => {},
      nowMs: () => this.nowMs,
      log,
    });
    this.consumer = new JournaledConsumer(
      this.configuration,
      (name) => !this.unwanted.has(name),
      this.journal,
    );
    this.replica = new Replica({
      settings: { ...settings, counts: found },
      onSighting: (sighting) => applySighting(this.clusters, sighting),
      onRoomWanted: () => {},
      onSidecarKey: (key) => this.sidecarKeys.push(key),
    });
    this.reader = new JournalReader({ port: this.channel.port2, inForce }, found, (change, isReady) =>
      this.replica.make(change, isReady),
    );
  }

  close(): void {
    this.reader.close();
    this.clusters.close();
    this.replica.clusters.close();
  }

  apply(service: object, kept: readonly string[]): void {
    const context = { pinSecret: Buffer.alloc(32, 7), incarnation: (_: unknown, release: string) => release };
    const { shared, localRoutes } = translateService(parseMeshService(service), context);
    for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const) {
      const all = kind === 'route' ? [localRoutes] : shared.filter((resource) => resource.kind === kind);
      const resources = all.filter(({ name }) => !kept.includes(`${kind} ${name}`));
      const known = this.delivered.get(kind) ?? new Set();
      const prefix = localRoutes.name;
      const removed = [...known].filter(
        (name) => name.startsWith(`${prefix}/`) && !all.some((resource) => resource.name === name),
      );
      this.delivered.set(
        kind,
        new Set([...known, ...resources.map(({ name }) => name)].filter((name) => !removed.includes(name))),
      );
      this.consumer.onResources(
        kind,
        resources.map(({ name, bytes }) => ({ name, version: '1', bytes })),
        removed,
      );
    }
  }

  /** Gives a listener up, or asks for it again. */
  toggle(listener: string): void {
    if (this.unwanted.delete(listener)) return;
    this.unwanted.add(listener);
    this.configuration.forget([listener]);
    this.journal.write({ what: 'forgotten', listeners: [listener] });
  }

  /** Answered once both services have been heard of. */
  private demand(): Demand {
    const heard = new Set<string>();
    return {
      get isAnswered() {
        return heard.size > 1;
      },
      wants: (name) => !this.unwanted.has(name),
      start() {},
      resume() {},
      onListener: (name) => void heard.add(name),
      onResponse() {},
      onTable() {},
      tick() {},
    };
  }

  resolve(cluster: number, found: readonly EndpointConfig[]): void {
    const name = [...this.names.keys()][cluster % Math.max(1, this.names.size)];
    if (name === undefined) return;
    this.names.get(name)?.(found);
    this.journal.write({ what: 'names', cluster: name, found });
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const clusters of [this.clusters, this.replica.clusters]) clusters.tick(this.nowMs);
    const overdue = this.configuration.checkDeadlines(this.nowMs);
    if (overdue.length > 0) this.journal.write({ what: 'overdue', routes: overdue });
  }

  /** The endpoint of a number, in one thread or the other. */
  endpoint(n: number, inReplica: boolean): UpstreamEndpoint | undefined {
    const clusters = (inReplica ? this.replica.clusters : this.clusters).clusters;
    const all = clusters.flatMap(({ upstreams }) => [...upstreams]);
    return all[n % Math.max(1, all.length)];
  }
}

const ENDPOINT = { weight: 1, zone: '', status: 'healthy' } as const;
const addressOf = (version: number, n: number) => `10.0.${version}.${n}:80`;

const versionArb = fc.record({
  n: fc.integer({ min: 1, max: 3 }),
  endpoints: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
  dns: fc.boolean(),
  weight: fc.integer({ min: 0, max: 3 }),
});

const serviceArb = fc.record({
  name: fc.constantFrom('cart', 'checkout'),
  versions: fc.uniqueArray(versionArb, { selector: ({ n }) => n, minLength: 1, maxLength: 3 }),
  mode: fc.constantFrom('balanced', 'persistent'),
  panicThreshold: fc.constantFrom(0, 50, 100),
  watched: fc.boolean(),
  /** Clusters that the server is silent about. */
  silent: fc.boolean(),
});

const opArb = fc.oneof(
  { weight: 3, arbitrary: serviceArb.map((service) => ({ op: 'apply', service }) as const) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('names' as const),
      cluster: fc.nat(5),
      found: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constantFrom('refuse', 'error', 'leave', 'reach', 'fail check', 'pass check'),
      endpoint: fc.nat(10),
      inReplica: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('toggle' as const),
      listener: fc.constantFrom('cart.shop', 'checkout.shop'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('time' as const), ms: fc.constantFrom(50, 1000, 8000, 20_000) }),
  },
);
type Op = typeof opArb extends fc.Arbitrary<infer O> ? O : never;

function documentOf({
  name,
  versions,
  mode,
  panicThreshold,
  watched,
}: typeof serviceArb extends fc.Arbitrary<infer S> ? S : never) {
  const weights = versions.map(({ n, weight }, i) => ({
    version: `v${n}`,
    weight: i === 0 ? weight + 1 : weight,
  }));
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace: 'shop' },
    spec: {
      port: 80,
      versions: versions.map(({ n, endpoints, dns }) => ({
        name: `v${n}`,
        ...(dns
          ? { dns: `${name}-v${n}:80` }
          : { endpoints: [...new Set(endpoints)].map((e) => ({ address: addressOf(n, e) })) }),
      })),
      routes: [{ name: 'default', split: weights }],
      affinity: { key: [{ header: 'x-user-id' }], version: mode, endpoint: mode },
      ...(watched
        ? {
            health: {
              interval: '5s',
              timeout: '1s',
              unhealthyThreshold: 1,
              healthyThreshold: 1,
              panicThreshold,
            },
            outlier: { consecutiveErrors: 2, baseEjectionTime: '5s', maxEjectionPercent: 100 },
          }
        : {}),
    },
  };
}

function run(pair: Pair, op: Op): void {
  switch (op.op) {
    case 'apply': {
      const document = documentOf(op.service);
      const [first] = document.spec.versions;
      const silent = `shop/${op.service.name}/${first?.name}`;
      pair.apply(document, op.service.silent ? [`cluster ${silent}`, `endpoint ${silent}`] : []);
      return;
    }
    case 'names':
      pair.resolve(
        op.cluster,
        op.found.map((n) => ({ ...ENDPOINT, host: `10.9.0.${n}`, port: 80, address: `10.9.0.${n}:80` })),
      );
      return;
    case 'time':
      pair.pass(op.ms);
      return;
    case 'toggle':
      pair.toggle(op.listener);
      return;
    default:
      happen(pair, op);
  }
}

function happen(pair: Pair, { op, endpoint: n, inReplica }: Extract<Op, { endpoint: number }>): void {
  const endpoint = pair.endpoint(n, inReplica);
  if (endpoint === undefined) return;
  switch (op) {
    case 'refuse':
      for (let i = 0; i < 3; i++) endpoint.onConnectFailed(endpoint.recoveries);
      return;
    case 'error':
      for (let i = 0; i < 2; i++) endpoint.onResult(false);
      return;
    case 'leave':
      endpoint.onLeaving();
      return;
    case 'reach':
      endpoint.reached();
      return;
    default: {
      // Only the main thread checks.
      const checked = pair.endpoint(n, false);
      const cluster = pair.clusters.clusters.find(({ upstreams }) =>
        [...upstreams].includes(checked as UpstreamEndpoint),
      );
      cluster?.onChecked(checked as UpstreamEndpoint, op === 'fail check' ? 'broken' : undefined);
    }
  }
}

const PLAIN = { mode: 'persistent', panicThreshold: 0, watched: false, silent: false } as const;
const VERSION = { n: 1, endpoints: [1, 2], dns: false, weight: 1 };
/** What every run begins with, so that there is a table. */
const BOTH = (['cart', 'checkout'] as const).map(
  (name): Op => ({ op: 'apply', service: { ...PLAIN, name, versions: [VERSION] } }),
);

const USERS = Array.from({ length: 20 }, (_, i) => `user-${i}`);

/** Everything that a decision depends on, and decisions. */
function stateOf(clusters: ClusterRegistry, table: RoutingTable | undefined, nowMs: number): object {
  const usability = (set: EndpointSet | undefined) =>
    set?.endpoints.map(({ address }, i) => `${address} ${set.usabilityAt(i)}`);
  return {
    clusters: clusters.clusters.map((cluster) => ({
      name: cluster.name,
      endpoints: usability(cluster.endpoints),
      lastResort: usability(cluster.lastResort),
      lostSinceMs: cluster.unusableSinceMs,
      panicking: cluster.panicking,
      loadBalancer: cluster.endpoints.loadBalancer,
    })),
    decisions: table?.virtualHosts.map((host) => {
      const context = { nowMs, random: () => 0.5, findPin: () => undefined };
      return USERS.map((user) => {
        const request = plainRequest({ headers: [['x-user-id', user]] });
        const route = findRoute(host, request, context.random);
        if (route === undefined) return 'no route';
        const { release, endpoint } = place(host, route, request, context);
        return `${release.name} ${endpoint?.address}`;
      });
    }),
  };
}

t.test(
  'a worker that has read the journal decides as the main thread does, whatever has happened',
  async () => {
    fc.assert(
      fc.property(fc.array(opArb, { minLength: 1, maxLength: 25 }), (ops) => {
        const pair = new Pair();
        try {
          for (const op of [...BOTH, ...ops]) {
            run(pair, op);
            pair.reader.catchUp();
            const { clusters, configuration } = pair.replica;
            const replica = stateOf(clusters, configuration.table, pair.nowMs);
            const main = stateOf(pair.clusters, pair.configuration.table, pair.nowMs);
            const [is, should] = [JSON.stringify(replica), JSON.stringify(main)];
            if (is !== should)
              throw new Error(`after ${JSON.stringify(op)}\n${is}\nbut the main thread has\n${should}`);
          }
        } finally {
          pair.close();
        }
      }),
      { numRuns: 500 },
    );
  },
);

t.test(
  'counts are one: what a worker takes, the main thread sees, and an address that is new begins at nothing',
  async (t) => {
    const pair = new Pair();
    t.teardown(() => pair.close());
    const service = (endpoints: number[]) =>
      documentOf({
        name: 'cart',
        versions: [{ n: 1, endpoints, dns: false, weight: 1 }],
        mode: 'balanced',
        panicThreshold: 0,
        watched: false,
        silent: false,
      });
    pair.apply(service([1, 2]), []);
    pair.reader.catchUp();
    const [main, worker] = [pair.endpoint(0, false), pair.endpoint(0, true)] as [
      UpstreamEndpoint,
      UpstreamEndpoint,
    ];
    t.equal(worker.load.takeRequest(), true);
    t.equal(main.load.requests, 1);
    for (let i = 0; i < 2; i++) worker.onConnectFailed(worker.recoveries);
    t.notOk(main.isRefusing);
    main.onConnectFailed(main.recoveries);
    t.ok(worker.isRefusing && main.isUnreachable, 'two there and one here are three in a row');
    pair.apply(service([2]), []);
    pair.apply(service([1, 2]), []);
    pair.reader.catchUp();
    const again = [pair.endpoint(0, false), pair.endpoint(0, true)] as [UpstreamEndpoint, UpstreamEndpoint];
    t.equal(again[0].address, main.address);
    t.notOk(again[0].isRefusing || again[1].isRefusing);
    t.equal(again[1].load.requests, 1, 'the cluster is the same');
  },
);

t.test('hands on the key that sidecars share', (t) => {
  const pair = new Pair();
  t.teardown(() => pair.close());
  pair.journal.write({ what: 'sidecar-key', key: Buffer.from('key') });
  pair.reader.catchUp();
  t.strictSame(
    pair.sidecarKeys.map((key) => Buffer.from(key).toString()),
    ['key'],
  );
  t.end();
});
