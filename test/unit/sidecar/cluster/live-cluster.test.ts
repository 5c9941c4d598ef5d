import { BlockList } from 'node:net';
import t from 'tap';
import { UNLIMITED } from '../../../../sidecar/cluster/cluster-load.js';
import { OWN_COUNTS } from '../../../../sidecar/cluster/counts-source.js';
import { LiveCluster } from '../../../../sidecar/cluster/live-cluster.js';
import type { UpstreamEndpoint } from '../../../../sidecar/cluster/upstream-endpoint.js';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import { exclusivePools } from '../../../../sidecar/pool/exclusive-pool.js';
import { formatAddress } from '../../../../src/net/ip-address.js';
import { PINNED_ONLY, UNUSABLE, USABLE } from '../../../../src/routing/endpoint-set.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import type { ClusterResource } from '../../../../src/xds/cluster.js';
import type { EndpointConfig } from '../../../../src/xds/endpoint.js';

const CONFIG: ClusterResource = {
  name: 'shop/checkout/v1',
  discovery: { kind: 'eds', serviceName: 'shop/checkout/v1' },
  protocol: 'http1',
  connectTimeoutMs: 1000,
  loadBalancer: {
    kind: 'least-request',
    ringSize: { min: 1024, max: 4096 },
    tableSize: 65_537,
    slowStartMs: 0,
  },
  outlier: {
    consecutiveErrors: 2,
    intervalMs: 10_000,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 100,
    alwaysEjectsOne: true,
    checksReadmit: false,
    successRate: undefined,
  },
  healthCheck: {
    path: undefined,
    host: '',
    headers: [],
    intervalMs: 5000,
    unusedIntervalMs: 60_000,
    timeoutMs: 1000,
    healthyThreshold: 2,
    overHttp2: false,
    grpcService: undefined,
    unhealthyThreshold: 3,
  },
  limits: UNLIMITED,
  tls: undefined,
  panicThreshold: 0,
};
const CONNECT_FAILURES_TO_EJECT = 3;

/** Of the machine that the sidecar is on. */
const OWN_ADDRESSES = new BlockList();
OWN_ADDRESSES.addAddress('192.168.7.1', 'ipv4');
OWN_ADDRESSES.addAddress('fd00::7:1', 'ipv6');

class Fixture {
  nowMs = 100_000;
  readonly watched: UpstreamEndpoint[] = [];
  readonly cluster: LiveCluster;

  constructor(count: number, config: Partial<ClusterResource> = {}) {
    const settings = {
      newPool: exclusivePools({ limits: DEFAULT_LIMITS, nowMs: () => this.nowMs }),
      connectFailuresToEject: CONNECT_FAILURES_TO_EJECT,
      nowMs: () => this.nowMs,
      counts: OWN_COUNTS,
      machine: { namespace: 'bank', addresses: () => OWN_ADDRESSES },
      asksForCalled: false,
      onCondition: (_cluster: LiveCluster, endpoint: UpstreamEndpoint) => {
        if (endpoint.isUnreachable) this.watched.push(endpoint);
      },
      askForRoom: undefined,
    };
    const log = createLogger('test', 'silent');
    this.cluster = new LiveCluster(CONFIG.name, settings, log);
    this.cluster.configure({ ...CONFIG, ...config });
    this.setEndpoints(count);
  }

  setEndpoints(count: number, statuses: Readonly<Record<number, EndpointConfig['status']>> = {}): void {
    this.cluster.setEndpoints(
      Array.from({ length: count }, (_, i) => ({
        host: `10.0.0.${i}`,
        port: 80,
        address: `10.0.0.${i}:80`,
        weight: 1,
        zone: '',
        status: statuses[i] ?? 'healthy',
      })),
    );
  }

  at(i: number): UpstreamEndpoint {
    return [...this.cluster.upstreams][i] as UpstreamEndpoint;
  }

  eject(...endpoints: number[]): void {
    for (const i of endpoints) for (let n = 0; n < 2; n++) this.at(i).onResult(false);
  }

  failChecks(...endpoints: number[]): void {
    for (const i of endpoints) for (let n = 0; n < 3; n++) this.cluster.onChecked(this.at(i), 'broken');
  }

  makeUnreachable(...endpoints: number[]): void {
    for (const i of endpoints)
      for (let n = 0; n < CONNECT_FAILURES_TO_EJECT; n++) this.at(i).onConnectFailed(this.at(i).recoveries);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.cluster.tick(this.nowMs);
  }

  get usable(): string {
    return usableOf(this.cluster.endpoints);
  }
}

function usableOf(set: LiveCluster['endpoints'] | undefined): string {
  if (set === undefined) return 'none';
  return set.endpoints.flatMap((_, i) => (set.usabilityAt(i) === USABLE ? [i] : [])).join();
}

t.test('an ejected endpoint is out of the pick, and in it again when its time is over', async (t) => {
  const fixture = new Fixture(3);
  t.equal(fixture.usable, '0,1,2');
  fixture.eject(1);
  t.equal(fixture.usable, '0,2');
  t.equal(fixture.cluster.endpoints.usabilityAt(1), UNUSABLE, 'for its pinned sessions, too');
  fixture.pass(29_999);
  t.equal(fixture.usable, '0,2');
  fixture.pass(1);
  t.equal(fixture.usable, '0,1,2');
  t.equal(fixture.at(1).counters.failures, 2);
});

t.test('an endpoint that fails its checks is out until it passes them', async (t) => {
  const fixture = new Fixture(2);
  fixture.failChecks(0);
  t.equal(fixture.usable, '1');
  for (let n = 0; n < 2; n++) fixture.cluster.onChecked(fixture.at(0), undefined);
  t.equal(fixture.usable, '0,1');
});

t.test('every reason to be out has to go before an endpoint is in again', async (t) => {
  const fixture = new Fixture(2);
  fixture.eject(0);
  fixture.failChecks(0);
  fixture.makeUnreachable(0);
  t.strictSame(fixture.watched, [fixture.at(0)]);
  fixture.pass(30_000);
  t.equal(fixture.usable, '1');
  fixture.at(0).reached();
  t.equal(fixture.usable, '1');
  for (let n = 0; n < 2; n++) fixture.cluster.onChecked(fixture.at(0), undefined);
  t.equal(fixture.usable, '0,1');
});

t.test('configuration without checks and outlier detection forgets what they have found', async (t) => {
  const fixture = new Fixture(3);
  fixture.eject(0);
  fixture.failChecks(1);
  t.equal(fixture.usable, '2');
  fixture.cluster.configure({ ...CONFIG, outlier: undefined, healthCheck: undefined });
  t.equal(fixture.usable, '0,1,2');
});

t.test('endpoints that stay through a change keep their health', async (t) => {
  const fixture = new Fixture(3);
  fixture.eject(0);
  fixture.failChecks(1);
  fixture.setEndpoints(4);
  fixture.cluster.configure({ ...CONFIG });
  t.equal(fixture.usable, '2,3');
});

t.test(
  'an endpoint that is about to stop keeps to its sessions for a while, unless there is no other',
  async (t) => {
    const fixture = new Fixture(3);
    fixture.at(0).onLeaving();
    t.equal(fixture.usable, '1,2');
    t.equal(fixture.cluster.endpoints.usabilityAt(0), PINNED_ONLY);
    const pass = (ms: number) => {
      fixture.nowMs += ms;
      for (const endpoint of fixture.cluster.upstreams) endpoint.tick(fixture.nowMs);
    };
    pass(7000);
    fixture.at(0).onLeaving();
    pass(7000);
    t.equal(fixture.usable, '1,2', 'it has said so again');
    pass(1000);
    t.equal(fixture.usable, '0,1,2');
    fixture.at(0).onLeaving();
    fixture.makeUnreachable(1);
    t.equal(fixture.usable, '2');
    fixture.at(2).onLeaving();
    t.equal(fixture.usable, '0,2', 'better one that is about to stop than none');
    t.equal(fixture.cluster.unusableSinceMs, undefined);
  },
);

t.test('panic: what is about to stop counts neither way', async (t) => {
  const fixture = new Fixture(4, { panicThreshold: 60 });
  fixture.at(0).onLeaving();
  fixture.at(1).onLeaving();
  t.notOk(fixture.cluster.panicking);
  t.equal(fixture.usable, '2,3');
});

t.test('notes since when nobody is usable', async (t) => {
  const fixture = new Fixture(1);
  t.equal(fixture.cluster.unusableSinceMs, undefined);
  fixture.eject(0);
  t.equal(fixture.cluster.unusableSinceMs, fixture.nowMs);
  fixture.pass(10_000);
  t.equal(fixture.cluster.unusableSinceMs, fixture.nowMs - 10_000);
  fixture.pass(20_000);
  t.equal(fixture.cluster.unusableSinceMs, undefined);
});

t.test('panic: below the threshold checks and ejections do not count', async (t) => {
  const fixture = new Fixture(4, { panicThreshold: 50 });
  fixture.eject(0);
  fixture.failChecks(1);
  t.equal(fixture.usable, '2,3', 'half is not below half');
  t.equal(fixture.cluster.panicking, false);
  fixture.eject(2);
  t.equal(fixture.usable, '0,1,2,3');
  t.equal(fixture.cluster.panicking, true);
  fixture.pass(30_000);
  t.equal(fixture.usable, '0,2,3', 'readmitted: enough, and who fails his checks is out again');
  t.equal(fixture.cluster.panicking, false);
});

t.test('panic: what refuses connections stays out, and what drains keeps to its sessions', async (t) => {
  const fixture = new Fixture(4, { panicThreshold: 60 });
  fixture.setEndpoints(4, { 3: 'draining' });
  fixture.makeUnreachable(0);
  t.equal(fixture.usable, '1,2', 'two of three: the draining one counts neither way');
  fixture.eject(1);
  t.equal(fixture.usable, '1,2');
  t.equal(fixture.cluster.panicking, true);
  t.equal(fixture.cluster.endpoints.usabilityAt(3), PINNED_ONLY);
});

t.test('panic: with nobody left at all the cluster is lost, and the others are a last resort', async (t) => {
  const fixture = new Fixture(3, { panicThreshold: 50 });
  fixture.eject(0, 1, 2);
  t.equal(fixture.usable, '');
  t.equal(fixture.cluster.unusableSinceMs, fixture.nowMs);
  t.equal(usableOf(fixture.cluster.lastResort), '0,1,2');
  fixture.makeUnreachable(0, 1, 2);
  t.equal(usableOf(fixture.cluster.lastResort), 'none', 'nothing listens there');
  fixture.at(1).reached();
  t.equal(usableOf(fixture.cluster.lastResort), '1');
});

t.test('without a panic threshold there is no last resort', async (t) => {
  const fixture = new Fixture(2);
  fixture.eject(0, 1);
  t.equal(fixture.usable, '');
  t.equal(usableOf(fixture.cluster.lastResort), 'none');
});

t.test('slow start: the weight of a new endpoint grows with its time, from a tenth', async (t) => {
  const loadBalancer = { ...CONFIG.loadBalancer, slowStartMs: 10_000 };
  const fixture = new Fixture(2, { loadBalancer });
  const weights = () =>
    [0, 1, 2].map((i) => Number(fixture.cluster.endpoints.usableWeightAt(i).toFixed(4)) || 0);
  t.strictSame(weights(), [0.1, 0.1, 0], 'all new: all alike');
  fixture.pass(20_000);
  t.strictSame(weights(), [1, 1, 0]);
  fixture.setEndpoints(3);
  t.strictSame(weights(), [1, 1, 0.1]);
  fixture.pass(500);
  t.strictSame(weights(), [1, 1, 0.1]);
  fixture.pass(4500);
  t.strictSame(weights(), [1, 1, 0.5]);
  fixture.pass(5000);
  t.strictSame(weights(), [1, 1, 1]);
  t.equal(fixture.cluster.endpoints.isEven, true);
  const done = fixture.cluster.endpoints;
  fixture.pass(1000);
  t.equal(fixture.cluster.endpoints, done, 'and nothing is made anew after that');
  fixture.eject(0);
  fixture.pass(30_000);
  t.strictSame(weights(), [0.1, 1, 1], 'who comes back starts slowly, too');
});

t.test('endpoints on the machine that calls are left out, unless they are approved', async (t) => {
  const HOSTS = ['127.0.0.1', '::1', '169.254.169.254', '::ffff:7f00:1', '0.0.0.0', 'fe80::1'];
  const OWN = ['192.168.7.1', '::ffff:192.168.7.1', 'fd00::7:1'];
  const config = (host: string): EndpointConfig => ({
    ...{ host, port: 80, weight: 1, zone: '', status: 'healthy' },
    address: formatAddress(host, 80),
  });
  const left = (namespace: string, approved: readonly string[] = []) => {
    const { cluster } = new Fixture(0, { confinement: { namespace, approved: new Set(approved) } });
    cluster.setEndpoints([...HOSTS, ...OWN, '10.0.0.1'].map(config));
    return [...cluster.upstreams].map(({ host }) => host);
  };
  t.strictSame(left('shop'), ['10.0.0.1']);
  t.strictSame(left('bank'), [...OWN, '10.0.0.1'], 'a service of its own namespace may be beside it');
  t.strictSame(left('shop', ['127.0.0.1:80', '192.168.7.1:80']), ['127.0.0.1', '192.168.7.1', '10.0.0.1']);

  const { cluster } = new Fixture(0);
  cluster.setEndpoints([config('127.0.0.1')]);
  t.equal(
    [...cluster.upstreams].length,
    1,
    'who asks for no credentials, or is another server, is not bound',
  );
  cluster.configure({ ...CONFIG, confinement: { namespace: 'shop', approved: new Set() } });
  t.equal([...cluster.upstreams].length, 0);
  cluster.configure(CONFIG);
  t.equal([...cluster.upstreams].length, 1);
});

t.test('a cluster with checks is at rest until something is sent there', async (t) => {
  const { cluster } = new Fixture(1);
  t.ok(cluster.isAtRest);
  t.notOk(cluster.isCalled);
  cluster.load.begin();
  t.notOk(cluster.isAtRest);
  t.ok(cluster.isCalled);
});
