import t from 'tap';
import { grew, growthOf } from '../../../../bench/soak/growth.js';
import { readOptions } from '../../../../bench/soak/options.js';
import { loopDelaysBetween, parseSidecarFigures } from '../../../../bench/soak/sidecar-figures.js';

const NOISE = { share: 0.1, absolute: 5 };

t.test('a line that rises grows, noise around a level does not', async (t) => {
  const rising = growthOf(Array.from({ length: 90 }, (_, i) => 100 + i));
  t.match(rising, { firstThird: 114.5, lastThird: 174.5, perHour: 3600 });
  t.equal(grew(rising as NonNullable<typeof rising>, NOISE), true);
  const level = growthOf(Array.from({ length: 90 }, (_, i) => 100 + (i % 7)));
  t.equal(grew(level as NonNullable<typeof level>, NOISE), false);
  const falling = growthOf(Array.from({ length: 90 }, (_, i) => 300 - i));
  t.equal(grew(falling as NonNullable<typeof falling>, NOISE), false);
  t.equal(growthOf([1, 2]), undefined, 'too few values');
  t.equal(growthOf([1, 2, Number.NaN]), undefined, 'an unknown value');
});

t.test('reads the metrics of a sidecar', async (t) => {
  const metrics = (late: number) => `# TYPE roost_event_loop_delay_seconds histogram
roost_event_loop_delay_seconds_bucket{le="0.05"} 10
roost_event_loop_delay_seconds_bucket{le="0.1"} 12
roost_event_loop_delay_seconds_bucket{le="+Inf"} ${12 + late}
roost_upstream_resets_total{cluster="a",endpoint="127.0.0.1:1"} 2
roost_upstream_resets_total{cluster="a",endpoint="127.0.0.1:2"} 3
roost_upstream_usable{cluster="a",endpoint="127.0.0.1:1"} 1
roost_upstream_usable{cluster="a",endpoint="127.0.0.1:2"} 0
process_resident_memory_bytes 1.5e+6
`;
  const before = parseSidecarFigures(metrics(0));
  t.equal(before.totals.upstreamResets, 5);
  t.equal(before.residentBytes, 1_500_000);
  t.ok(Number.isNaN(before.descriptors), 'what is not there is not 0');
  t.same([...before.usable.values()], [true, false]);
  t.same(loopDelaysBetween(before, parseSidecarFigures(metrics(3))), [
    [0.05, 0],
    [0.1, 0],
    [Number.POSITIVE_INFINITY, 3],
  ]);
});

t.test('flags: defaults, and every problem at once', async (t) => {
  t.match(readOptions([]), { minutes: 30, rate: undefined, seed: 1, allowStalls: false, json: false });
  t.match(readOptions(['--minutes', '0.5', '--rate', '900', '-o', 'json']), {
    minutes: 0.5,
    rate: 900,
    json: true,
  });
  t.throws(() => readOptions(['--minutes', 'x', '--rate', '0', '-o', 'xml']), {
    message: /--minutes.*\n--rate.*|-o takes json.*\n--minutes.*\n--rate.*/s,
  });
  t.throws(() => readOptions(['--nonsense']), { message: /--nonsense/ });
});
