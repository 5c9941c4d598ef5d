import t from 'tap';
import { RequestStatistics } from '../../../../sidecar/records/request-statistics.js';
import { MAX_SERIES } from '../../../../src/telemetry/metrics.js';

const labels = (n: number) =>
  ({ direction: 'outbound', service: `svc-${n}.shop`, release: 'v1', route: 'default' }) as const;

t.test('label sets are bounded: what is beyond is counted under one for each direction', async (t) => {
  const statistics = new RequestStatistics();
  for (let n = 0; n < MAX_SERIES + 500; n++) statistics.named(labels(n)).record(200, 1, 1);
  for (let n = 0; n < 7; n++)
    statistics.named({ ...labels(MAX_SERIES + n), direction: 'inbound' }).record(200, 1, 1);
  const all = [...statistics.all];
  t.equal(all.length, MAX_SERIES + 2);
  const others = all.filter(({ labels }) => labels.includes('service="other"'));
  t.strictSame(
    others.map(({ labels, durations }) => [labels, durations.count]),
    [
      ['direction="outbound",service="other",release="",route=""', 500],
      ['direction="inbound",service="other",release="",route=""', 7],
    ],
  );
  statistics.named(labels(3)).record(200, 1, 1);
  t.equal(statistics.named(labels(3)).durations.count, 2, 'what was known before goes on');
});

t.test('a configuration that is compiled anew goes on with the same series', async (t) => {
  const statistics = new RequestStatistics();
  const of = () => statistics.seriesOf({}, {}, () => labels(1));
  of().record(200, 1, 1);
  of().record(200, 1, 1);
  t.equal(of().durations.count, 2);
});

t.test('codes are bounded whatever upstreams answer: unregistered ones count by their class', async (t) => {
  const series = new RequestStatistics().named(labels(1));
  for (let status = 100; status <= 999; status++) series.record(status, 1, 1);
  series.record(0, 1, 0);
  const counts = new Map([...series.codes].map(({ code, count }) => [code, count]));
  t.ok(counts.size < 80, `${counts.size} codes`);
  t.equal(counts.get('200'), 1);
  t.equal(counts.get('0'), 1);
  t.ok((counts.get('5xx') ?? 0) > 80);
  t.equal(counts.get('9xx'), 100);
  t.equal(
    [...counts.values()].reduce((a, b) => a + b),
    901,
  );
  t.equal([...series.codes].length, counts.size, 'no code twice');
});

t.test('retries are the attempts beyond the first', async (t) => {
  const series = new RequestStatistics().named(labels(1));
  for (const attempts of [0, 1, 2, 4]) series.record(200, 1, attempts);
  t.equal(series.retries, 4);
});

t.test('calls of gRPC are counted by their status, beside the status of HTTP', async (t) => {
  const series = new RequestStatistics().named(labels(1));
  t.same(series.grpcCalls, []);
  for (const status of [0, 14, 0]) series.recordGrpc(status);
  t.same([series.grpcCalls[0], series.grpcCalls[14]], [2, 1]);
  t.equal(Object.keys(series.grpcCalls).length, 2, 'what did not happen has no count');
});
