import t from 'tap';
import { collectTexts, withOthers } from '../../../../sidecar/admin/summed-metrics.js';
import { DurationHistogram, durationBounds } from '../../../../src/telemetry/duration-histogram.js';
import { bindMetrics, type Collector, expose, labelText, sample } from '../../../../src/telemetry/metrics.js';
import { parseExposition, sumOf } from '../../../support/exposition.js';

const TABLE = {
  requests_total: { type: 'counter', help: 'Requests.', labels: ['route'] },
  seconds: { type: 'histogram', help: 'Durations.', labels: [] },
  uptime: { type: 'gauge', help: 'Only the main thread has it.', labels: [] },
} as const;

/** What one worker has counted. */
function counted(requests: Readonly<Record<string, number>>, durations: readonly number[]) {
  const histogram = new DurationHistogram(durationBounds([10, 100]));
  for (const ms of durations) histogram.observe(ms);
  const requestsTotal: Collector = function* (name) {
    for (const [route, count] of Object.entries(requests)) yield sample(name, labelText({ route }), count);
  };
  return { requests_total: requestsTotal, seconds: (name: string) => [histogram.samples(name, '')] };
}

t.test('samples with the same labels are added up, whatever is in the labels', async (t) => {
  const odd = 'a "b" \\ c\n} 7';
  const main = { ...counted({ plain: 1, [odd]: 2 }, [5, 50]), uptime: () => [sample('uptime', '', 9)] };
  const others = [counted({ [odd]: 40, 'only there': 3 }, [500]), counted({ plain: 10 }, [])];
  const texts = await Promise.all(others.map(collectTexts));
  const text = [...expose(withOthers(bindMetrics(TABLE, main), texts))].join('');
  const families = parseExposition(text);
  const requests = families.get('requests_total');
  t.equal(sumOf(requests, { route: 'plain' }), 11);
  t.equal(sumOf(requests, { route: odd }), 42);
  t.equal(sumOf(requests, { route: 'only there' }), 3);
  t.equal(requests?.samples.length, 3);
  t.strictSame(
    families.get('seconds')?.samples.map(({ name, labels, value }) => [name, labels.le ?? '', value]),
    [
      ['seconds_bucket', '0.01', 1],
      ['seconds_bucket', '0.1', 2],
      ['seconds_bucket', '+Inf', 3],
      ['seconds_sum', '', 0.555],
      ['seconds_count', '', 3],
    ],
  );
  t.equal(sumOf(families.get('uptime')), 9);
});

t.test('a large sum leaves room for other work while it is made', async (t) => {
  const count = 20_000;
  const many: Collector = function* (name) {
    for (let n = 0; n < count; n++) yield sample(name, `route="${n}"`, 1);
  };
  const collectors = { requests_total: many, seconds: () => [], uptime: () => [] };
  const texts = [await collectTexts({ requests_total: many })];
  const [metric] = withOthers(bindMetrics(TABLE, collectors), texts);
  const pieces = [...(metric?.collect('requests_total') ?? [])];
  t.ok(
    pieces.filter((piece) => piece === '').length >= 2 * count,
    'a piece without text for each line that is read',
  );
  const lines = pieces.filter((piece) => piece !== '');
  t.equal(lines.length, count);
  t.equal(lines[7], 'requests_total{route="7"} 2\n');
});
