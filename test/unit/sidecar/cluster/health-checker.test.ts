import t from 'tap';
import { HealthChecker, type HealthProbe } from '../../../../sidecar/cluster/health-checker.js';
import { HealthRecord } from '../../../../sidecar/cluster/health-record.js';
import type { HealthCheckConfig } from '../../../../src/xds/cluster-protection.js';

const CONFIG: HealthCheckConfig = {
  path: undefined,
  host: '',
  headers: [],
  intervalMs: 5000,
  unusedIntervalMs: 60_000,
  timeoutMs: 60_000,
  healthyThreshold: 2,
  overHttp2: false,
  grpcService: undefined,
  unhealthyThreshold: 3,
};

t.test('an endpoint passes until it has failed often enough in a row, and the other way about', async (t) => {
  const health = new HealthRecord();
  const changes = (results: string) =>
    [...results].map((r) => (health.take(r === '-' ? 'broken' : undefined, CONFIG) ? r : '.')).join('');
  t.equal(changes('++--+--'), '.......', 'not in a row');
  t.equal(changes('-'), '-');
  t.ok(health.failing);
  t.equal(changes('---+-+'), '......');
  t.equal(health.lastFailure, '');
  t.equal(changes('+'), '+');
  t.notOk(health.failing);
  t.equal(changes('--'), '..');
  health.forget();
  t.equal(changes('--'), '..', 'forgotten');
  t.equal(health.failures, 13);
});

class Endpoint {
  readonly host: string;
  readonly port = 80;
  readonly health = new HealthRecord();
  isRetired = false;

  constructor(name: string) {
    this.host = name;
  }
}

interface Cluster {
  healthCheck: HealthCheckConfig | undefined;
  readonly upstreams: readonly Endpoint[];
  isUsed: boolean;
  isCalled: boolean;
  onChecked(endpoint: Endpoint, failure: string | undefined): void;
}

/** Clusters and a checker whose probes end when the test says so. */
class Fixture {
  nowMs = 1_000_000;
  asked: string[] = [];
  told: string[] = [];
  private readonly pending: { host: string; done: (failure: string | undefined) => void }[] = [];
  readonly checker: HealthChecker;
  readonly clusters: Cluster[] = [];
  aborted = 0;

  constructor(random = () => 0) {
    const probe: HealthProbe = ({ host }, _config, signal) => {
      this.asked.push(host);
      signal.addEventListener('abort', () => this.aborted++);
      return new Promise((done) => this.pending.push({ host, done }));
    };
    this.checker = new HealthChecker(probe, random);
  }

  cluster(names: readonly string[], config: HealthCheckConfig | undefined = CONFIG, isUsed = true): Cluster {
    const made = {
      healthCheck: config,
      upstreams: names.map((name) => new Endpoint(name)),
      isUsed,
      isCalled: true,
      onChecked: (endpoint: Endpoint, failure: string | undefined) =>
        void this.told.push(`${endpoint.host} ${failure ?? 'well'}`),
    };
    this.clusters.push(made);
    return made;
  }

  /** Lets time pass, and returns who was asked meanwhile. */
  pass(ms: number): string[] {
    this.asked = [];
    for (let passed = 0; passed < ms; passed += 50) {
      this.nowMs += 50;
      for (const cluster of this.clusters) this.checker.tick(cluster, this.nowMs);
    }
    return this.asked;
  }

  async answer(failure?: string): Promise<void> {
    for (const { done } of this.pending.splice(0)) done(failure);
    await new Promise(setImmediate);
  }
}

t.test('asks every endpoint once in an interval, the first time some way into it', async (t) => {
  let n = 0;
  const fixture = new Fixture(() => [0, 0.5, 0.5, 0.5][n++ % 4] as number);
  fixture.cluster(['a', 'b']);
  t.strictSame(fixture.pass(2400), []);
  t.strictSame(fixture.pass(200), ['b'], 'after half of it');
  await fixture.answer();
  t.strictSame(fixture.pass(2500), ['a']);
  await fixture.answer('refused');
  t.strictSame(fixture.told, ['b well', 'a refused']);
});

t.test('an endpoint that does not answer is not asked again until it has, or has had its time', async (t) => {
  const fixture = new Fixture();
  fixture.cluster(['a'], { ...CONFIG, timeoutMs: 1 });
  t.strictSame(fixture.pass(30_000), ['a']);
  await new Promise((done) => setTimeout(done, 20));
  t.equal(fixture.aborted, 1, 'the probe is told to give up');
  await fixture.answer('no answer');
  t.strictSame(fixture.pass(50), ['a']);
  await fixture.answer();
});

t.test('endpoints of a service that this sidecar does not call are left alone', async (t) => {
  const fixture = new Fixture();
  const cluster = fixture.cluster(['a'], CONFIG, false);
  cluster.isCalled = false;
  t.strictSame(fixture.pass(120_000), []);
  cluster.isUsed = cluster.isCalled = true;
  t.strictSame(fixture.pass(5100), ['a']);
  await fixture.answer();
});

t.test('a cluster that is asked for by name and nothing is sent to is asked once a minute', async (t) => {
  const fixture = new Fixture();
  const cluster = fixture.cluster(['a'], CONFIG, false);
  t.strictSame(fixture.pass(60_000), []);
  t.strictSame(fixture.pass(50), ['a']);
  await fixture.answer();
  t.strictSame(fixture.pass(5000), []);
  cluster.isUsed = true;
  t.strictSame(fixture.pass(50), ['a'], 'at once when something is');
});

t.test('64 at once, the others as these end', async (t) => {
  const fixture = new Fixture();
  const names = Array.from({ length: 150 }, (_, i) => `e${i}`);
  fixture.cluster(names);
  t.equal(fixture.pass(10_000).length, 64);
  await fixture.answer();
  t.equal(fixture.asked.length, 128);
  await fixture.answer();
  t.strictSame(new Set(fixture.asked), new Set(names), 'everybody gets a turn');
  t.equal(fixture.asked.length, 150, 'and one only');
  await fixture.answer();
  t.equal(fixture.told.length, 150);
});

t.test('a result that comes too late is dropped', async (t) => {
  const fixture = new Fixture();
  const [gone, other, kept] = [
    fixture.cluster(['gone']),
    fixture.cluster(['other']),
    fixture.cluster(['kept']),
  ];
  fixture.pass(5050);
  (gone.upstreams[0] as Endpoint).isRetired = true;
  other.healthCheck = { ...CONFIG, path: '/' };
  await fixture.answer();
  t.strictSame(fixture.told, ['kept well']);
  t.equal(kept.upstreams[0]?.health.underWay, false);
});

t.test('closed: gives up what is under way, and asks nobody', async (t) => {
  const fixture = new Fixture();
  fixture.cluster(['a']);
  fixture.pass(5050);
  fixture.checker.close();
  t.equal(fixture.aborted, 1);
  await fixture.answer();
  t.strictSame(fixture.told, []);
  t.strictSame(fixture.pass(20_000), []);
});

t.test('checks follow each other at once where another sidecar has found the endpoint well', async (t) => {
  const fixture = new Fixture();
  const { upstreams } = fixture.cluster(['a']);
  t.strictSame(fixture.pass(6000), ['a']);
  await fixture.answer('broken');
  t.strictSame(fixture.pass(1000), []);
  (upstreams[0] as Endpoint).health.hurried = 2;
  for (let check = 0; check < 2; check++) {
    t.strictSame(fixture.pass(50), ['a']);
    await fixture.answer();
  }
  t.strictSame(fixture.pass(1000), [], 'and then by the interval again');
});
