import t from 'tap';
import { DurationHistogram, durationBounds } from '../../../../src/telemetry/duration-histogram.js';
import { bindMetrics, expose, labelText, sample, single } from '../../../../src/telemetry/metrics.js';
import { parseExposition } from '../../../support/exposition.js';

t.test('label values are escaped, and numbers written, as the text format has it', async (t) => {
  const strange = 'a "b"\\c\nd';
  const table = { strange: { type: 'gauge', help: 'Strange.', labels: ['what'] } } as const;
  const metrics = bindMetrics(table, {
    *strange(name) {
      yield sample(name, labelText({ what: strange }), Number.POSITIVE_INFINITY);
      yield sample(name, labelText({ what: 'small' }), 1e-9);
      yield sample(name, labelText({ what: 'large' }), 1e21);
    },
  });
  const family = parseExposition([...expose(metrics)].join('')).get('strange');
  t.strictSame(
    family?.samples.map(({ labels, value }) => [labels.what, value]),
    [
      [strange, Number.POSITIVE_INFINITY],
      ['small', 1e-9],
      ['large', 1e21],
    ],
  );
});

t.test('a metric without a sample still says that it exists', async (t) => {
  const table = {
    none: { type: 'counter', help: 'None.', labels: ['x'] },
    one: { type: 'gauge', help: 'One.', labels: [] },
  } as const;
  const text = [...expose(bindMetrics(table, { none: () => [], one: single(() => 3) }))].join('');
  t.equal(text, '# HELP none None.\n# TYPE none counter\n# HELP one One.\n# TYPE one gauge\none 3\n');
});

t.test('durations: buckets are cumulative, inclusive, and in seconds', async (t) => {
  const histogram = new DurationHistogram(durationBounds([1, 10, 100]));
  for (const ms of [0.5, 1, 9, 10, 11, 1000]) histogram.observe(ms);
  t.equal(
    histogram.samples('d', 'a="b"'),
    [
      'd_bucket{a="b",le="0.001"} 2',
      'd_bucket{a="b",le="0.01"} 4',
      'd_bucket{a="b",le="0.1"} 5',
      'd_bucket{a="b",le="+Inf"} 6',
      'd_sum{a="b"} 1.0315',
      'd_count{a="b"} 6',
      '',
    ].join('\n'),
  );
  t.match(histogram.samples('d', ''), /^d_bucket\{le="0\.001"\} 2\n/);
  t.match(histogram.samples('d', ''), /\nd_sum 1\.0315\nd_count 6\n$/);
});

t.test('a name from a peer gives no orders to who reads a scrape', async (t) => {
  t.equal(labelText({ cluster: 'a\x1b[2J"\\\u202e' }), 'cluster="a\\\\x1b[2J\\"\\\\\\\\u202e"');
});
