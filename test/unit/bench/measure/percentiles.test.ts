import t from 'tap';
import { median, percentile, sorted, spreadOf } from '../../../../bench/measure/percentiles.js';

t.test('a percentile is the nearest rank, and the same from 1 value to many', async (t) => {
  const hundred = sorted(Array.from({ length: 100 }, (_, i) => 100 - i));
  t.equal(percentile(hundred, 50), 50);
  t.equal(percentile(hundred, 99), 99);
  t.equal(percentile(hundred, 99.9), 100);
  t.equal(percentile([7], 50), 7);
  t.equal(percentile([7], 99.9), 7);
  t.equal(percentile([1, 2, 3], 0), 1);
  t.ok(Number.isNaN(percentile([], 50)));
});

t.test('the median of an even number of values lies between the middle two', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.ok(Number.isNaN(median([])));
});

t.test('a spread keeps the extremes, and there is none of nothing', async (t) => {
  t.same(spreadOf([5, 1, 3]), { median: 3, min: 1, max: 5 });
  t.equal(spreadOf([]), undefined);
});
