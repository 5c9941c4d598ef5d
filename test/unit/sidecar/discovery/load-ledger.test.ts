import t from 'tap';
import { type CountedEndpoint, LoadLedger } from '../../../../sidecar/discovery/load-ledger.js';

type Writable = { -readonly [K in keyof CountedEndpoint]: CountedEndpoint[K] } & {
  counters: { requests: number };
  traffic: { succeeded: number; failed: number; latencySumMs: number };
};

const endpoint = (address: string): Writable => ({
  address,
  counters: { requests: 0 },
  traffic: { succeeded: 0, failed: 0, latencySumMs: 0 },
  activeRequests: 0,
  isRetired: false,
});
const NO_PINS = new Map();

t.test('each report tells what is new since the last; silence about what has nothing new', async (t) => {
  const [a, b] = [endpoint('10.0.0.1:80'), endpoint('10.0.0.2:80')];
  const ledger = new LoadLedger({
    clusters: [
      { name: 'v1', upstreams: [a], isUsed: true },
      { name: 'v2', upstreams: [b], isUsed: true },
    ],
  });
  t.same(ledger.take(NO_PINS), []);
  a.counters.requests = 3;
  a.activeRequests = 1;
  a.traffic = { succeeded: 1, failed: 1, latencySumMs: 7.5 };
  const counted = {
    ...{ issued: 3, succeeded: 1, failed: 1, timed: 2 },
    ...{ latencySumMs: 7.5, inFlight: 1, pins: 0 },
  };
  t.same(ledger.take(NO_PINS), [{ cluster: 'v1', endpoints: [{ address: a.address, ...counted }] }]);
  a.activeRequests = 0;
  a.traffic.succeeded = 2;
  t.match(ledger.take(NO_PINS), [{ endpoints: [{ issued: 0, succeeded: 1, failed: 0, latencySumMs: 0 }] }]);
  t.same(ledger.take(NO_PINS), []);
});

t.test('an endpoint that leaves is told of until its last request is over', async (t) => {
  const a = endpoint('10.0.0.1:80');
  const upstreams = [a];
  const ledger = new LoadLedger({ clusters: [{ name: 'v1', upstreams, isUsed: true }] });
  a.counters.requests = 1;
  a.activeRequests = 1;
  t.equal(ledger.take(NO_PINS).length, 1);
  upstreams.pop();
  a.isRetired = true;
  t.match(ledger.take(NO_PINS), [{ cluster: 'v1', endpoints: [{ inFlight: 1 }] }]);
  a.activeRequests = 0;
  a.traffic.failed = 1;
  t.match(ledger.take(NO_PINS), [{ cluster: 'v1', endpoints: [{ failed: 1, inFlight: 0 }] }]);
  a.traffic.failed = 2;
  t.same(ledger.take(NO_PINS), [], 'forgotten');
});

t.test('pins are told of every time: where they are now, not what is new', async (t) => {
  const a = endpoint('10.0.0.1:80');
  const ledger = new LoadLedger({ clusters: [{ name: 'v1', upstreams: [a], isUsed: true }] });
  const pins = new Map([
    [
      'v1',
      new Map([
        [a.address, 4],
        ['', 2],
      ]),
    ],
  ]);
  for (let report = 0; report < 2; report++) {
    t.match(ledger.take(pins), [
      {
        cluster: 'v1',
        endpoints: [
          { address: a.address, pins: 4 },
          { address: '', pins: 2 },
        ],
      },
    ]);
  }
});

t.test('the condition of a cluster that is called, or should have been, is told every time', async (t) => {
  const failovers = new Map<string, number>();
  const condition = { endpoints: 1, usable: 0 };
  const ledger = new LoadLedger(
    {
      clusters: [
        { name: 'v1', upstreams: [], isUsed: true, condition: { endpoints: 2, usable: 2 } },
        { name: 'v3', upstreams: [], isUsed: false, condition },
        { name: 'other', upstreams: [], isUsed: false, condition },
      ],
    },
    () => failovers,
  );
  const v1 = { cluster: 'v1', endpoints: [], condition: { endpoints: 2, usable: 2, failovers: 0 } };
  const v3 = (count: number) => ({
    cluster: 'v3',
    endpoints: [],
    condition: { ...condition, failovers: count },
  });
  t.same(ledger.take(NO_PINS), [v1]);
  failovers.set('v3', 5);
  t.same(ledger.take(NO_PINS), [v1, v3(5)]);
  failovers.set('v3', 7);
  t.same(ledger.take(NO_PINS), [v1, v3(2)], 'what is new');
  t.same(ledger.take(NO_PINS), [v1, v3(0)]);
});
