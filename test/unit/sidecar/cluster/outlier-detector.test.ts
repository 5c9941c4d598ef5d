import t from 'tap';
import { OutlierDetector, successRateBound } from '../../../../sidecar/cluster/outlier-detector.js';
import { OutlierRecord } from '../../../../sidecar/cluster/outlier-record.js';
import type { OutlierConfig } from '../../../../src/xds/cluster-protection.js';

const CONFIG: OutlierConfig = {
  consecutiveErrors: 3,
  intervalMs: 1000,
  baseEjectionMs: 2000,
  maxEjectionMs: 5000,
  maxEjectionPercent: 50,
  alwaysEjectsOne: true,
  checksReadmit: false,
  successRate: undefined,
};

interface Endpoint {
  readonly name: string;
  readonly outlier: OutlierRecord;
}

class Cluster {
  nowMs = 10_000;
  readonly events: string[] = [];
  readonly endpoints: Endpoint[];
  readonly detector: OutlierDetector<Endpoint>;

  constructor(count: number, config: Partial<OutlierConfig> = {}) {
    this.endpoints = Array.from({ length: count }, (_, i) => ({
      name: `e${i}`,
      outlier: new OutlierRecord(),
    }));
    this.detector = new OutlierDetector<Endpoint>(
      ({ name, outlier }) => this.events.push(`${outlier.ejectedAtMs === undefined ? '+' : '-'}${name}`),
      () => this.nowMs,
    );
    this.detector.setEndpoints(this.endpoints);
    this.detector.configure({ ...CONFIG, ...config });
    this.detector.tick();
  }

  at(i: number): Endpoint {
    return this.endpoints[i] as Endpoint;
  }

  fail(i: number, times: number): void {
    for (let n = 0; n < times; n++) this.detector.failed(this.at(i));
  }

  /** Lets time pass in ticks. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 50) {
      this.nowMs += 50;
      this.detector.tick();
    }
  }

  get ejected(): string {
    return this.endpoints
      .filter(({ outlier }) => outlier.ejectedAtMs !== undefined)
      .map(({ name }) => name)
      .join();
  }
}

t.test('errors in a row eject at once; a good answer between them starts the count anew', async (t) => {
  const cluster = new Cluster(4);
  cluster.fail(0, 2);
  cluster.at(0).outlier.answers.succeeded();
  cluster.fail(0, 2);
  t.equal(cluster.ejected, '');
  cluster.fail(0, 1);
  t.equal(cluster.ejected, 'e0');
  cluster.fail(0, 10);
  t.strictSame(cluster.events, ['-e0'], 'what was still under way changes nothing');
});

t.test('0 errors in a row: they are not looked at', async (t) => {
  const cluster = new Cluster(4, { consecutiveErrors: 0 });
  cluster.fail(0, 100);
  t.equal(cluster.ejected, '');
});

t.test('an ejection lasts for base × times ejected, and at most for the longest', async (t) => {
  const cluster = new Cluster(4);
  const lasted = () => {
    cluster.fail(0, 3);
    const from = cluster.nowMs;
    while (cluster.ejected !== '') cluster.pass(50);
    return cluster.nowMs - from;
  };
  t.strictSame([lasted(), lasted(), lasted(), lasted()], [2000, 4000, 5000, 5000]);
  t.equal(cluster.at(0).outlier.ejections, 4);
  cluster.fail(0, 2);
  t.equal(cluster.ejected, '', 'readmitted with a clean slate');
});

t.test('every whole interval without an ejection takes one off the multiplier', async (t) => {
  const cluster = new Cluster(4);
  cluster.pass(500);
  for (let n = 0; n < 3; n++) {
    cluster.fail(0, 3);
    while (cluster.ejected !== '') cluster.pass(50);
  }
  t.equal(cluster.at(0).outlier.multiplier, 3);
  cluster.pass(1000);
  t.equal(cluster.at(0).outlier.multiplier, 3, 'the interval in which it was readmitted does not count');
  cluster.pass(1000);
  t.equal(cluster.at(0).outlier.multiplier, 2);
  cluster.pass(10_000);
  t.equal(cluster.at(0).outlier.multiplier, 0);
});

t.test('never more than maxEjectionPercent at once, but always one', async (t) => {
  for (const [count, percent, expected] of [
    [4, 50, 'e0,e1'],
    [5, 50, 'e0,e1'],
    [3, 10, 'e0'],
    [1, 0, 'e0'],
    [2, 100, 'e0,e1'],
  ] as const) {
    const cluster = new Cluster(count, { maxEjectionPercent: percent });
    for (let i = 0; i < count; i++) cluster.fail(i, 3);
    t.equal(cluster.ejected, expected, `${percent} % of ${count}`);
  }
});

t.test('who was not ejected for want of room is ejected by the next error once there is some', async (t) => {
  const cluster = new Cluster(3, { maxEjectionPercent: 10 });
  cluster.fail(0, 3);
  cluster.fail(1, 3);
  t.equal(cluster.ejected, 'e0');
  cluster.pass(2000);
  t.equal(cluster.ejected, '');
  cluster.fail(1, 1);
  t.equal(cluster.ejected, 'e1');
});

t.test('an ejected endpoint that leaves makes room; one that has left is not ejected', async (t) => {
  const cluster = new Cluster(3, { maxEjectionPercent: 10 });
  cluster.fail(0, 3);
  cluster.detector.setEndpoints(cluster.endpoints.slice(1));
  cluster.fail(0, 3);
  cluster.fail(1, 3);
  t.equal(cluster.at(1).outlier.ejectedAtMs, cluster.nowMs);
  const stranger = { name: 'stranger', outlier: new OutlierRecord() };
  for (let n = 0; n < 9; n++) cluster.detector.failed(stranger);
  t.strictSame(cluster.events, ['-e0', '-e1']);
});

t.test('switched off: whoever is ejected is readmitted, and nobody is ejected', async (t) => {
  const cluster = new Cluster(4);
  cluster.fail(0, 3);
  cluster.detector.configure(undefined);
  t.strictSame(cluster.events, ['-e0', '+e0']);
  cluster.fail(0, 10);
  cluster.pass(5000);
  t.equal(cluster.ejected, '');
});

t.test(
  'success rate: below the mean less so many standard deviations, at the end of the interval',
  async (t) => {
    // Rates 1, 1, 1, 1, 0.5: mean 0.9, standard deviation 0.2.
    t.equal(successRateBound([1, 1, 1, 1, 0.5], 1.9).toFixed(4), '0.5200');
    t.equal(successRateBound([0.3, 0.3], 1.9), 0.3);
    const rule = { minimumHosts: 5, requestVolume: 10, stdevFactor: 1.9 };
    const answer = (cluster: Cluster, i: number, good: number, bad: number) => {
      for (let n = 0; n < bad; n++) cluster.detector.failed(cluster.at(i));
      for (let n = 0; n < good; n++) cluster.at(i).outlier.answers.succeeded();
    };
    const run = (counts: readonly (readonly [number, number])[]) => {
      const cluster = new Cluster(counts.length, { consecutiveErrors: 0, successRate: rule });
      for (const [i, [good, bad]] of counts.entries()) answer(cluster, i, good, bad);
      t.equal(cluster.ejected, '', 'not before the interval has ended');
      cluster.pass(1000);
      return cluster.ejected;
    };
    const good = [20, 0] as const;
    t.equal(run([good, good, good, good, [10, 10]]), 'e4');
    t.equal(run([good, good, good, [10, 10], [10, 10]]), '', 'two of them are within the deviation');
    t.equal(run([good, good, good, [10, 10]]), '', 'too few endpoints');
    t.equal(run([good, good, good, good, [4, 5]]), '', 'too few requests to judge it');
    t.equal(run([good, good, good, good, good]), '');
  },
);

t.test('success rate: each interval counts on its own, and the ejected are not judged', async (t) => {
  const rule = { minimumHosts: 2, requestVolume: 10, stdevFactor: 0.5 };
  const cluster = new Cluster(3, { consecutiveErrors: 0, maxEjectionPercent: 100, successRate: rule });
  const all = (i: number, good: boolean) => {
    for (let n = 0; n < 10; n++)
      good ? cluster.at(i).outlier.answers.succeeded() : cluster.detector.failed(cluster.at(i));
  };
  for (const i of [0, 1]) all(i, true);
  all(2, false);
  cluster.pass(1000);
  t.equal(cluster.ejected, 'e2');
  for (const i of [0, 1]) all(i, true);
  all(2, false);
  cluster.pass(1000);
  t.equal(cluster.at(0).outlier.answers.successes, 0, 'counted anew');
  t.equal(cluster.at(2).outlier.ejections, 1);
});

t.test(
  'an ejection ends with that of another sidecar, once its base time is over here or there',
  async (t) => {
    const here = new Cluster(4);
    for (let n = 0; n < 2; n++) {
      here.fail(0, 3);
      here.pass(n === 0 ? 2000 : 1000);
    }
    t.equal(here.ejected, 'e0', 'for the second time: for 4 s');
    here.detector.readmittedElsewhere(here.at(0), 0);
    t.equal(here.ejected, 'e0', 'a sidecar that has not ejected it ends nothing');
    here.pass(1000);
    here.detector.readmittedElsewhere(here.at(0), 0);
    t.equal(here.ejected, '', 'the base time is over here');

    const later = new Cluster(4);
    later.fail(0, 3);
    later.detector.readmittedElsewhere(later.at(0), 1000);
    t.equal(later.ejected, 'e0');
    later.detector.readmittedElsewhere(later.at(0), 1900);
    t.equal(later.ejected, '', 'it has been over elsewhere, as far as this sidecar has heard');
  },
);
