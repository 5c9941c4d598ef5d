import fc from 'fast-check';
import t from 'tap';
import {
  comparePins,
  MAX_GENERATION,
  nextGeneration,
  type SharedPin,
} from '../../../../src/sessions/shared-pin.js';

const pin: fc.Arbitrary<SharedPin> = fc.record({
  release: fc.integer({ min: 0, max: 3 }),
  endpoint: fc.integer({ min: 0, max: 3 }),
  label: fc.boolean(),
  generation: fc.integer({ min: 0, max: 2 }),
  revision: fc.integer({ min: 0, max: 2 }),
});

const base: SharedPin = { release: 5, endpoint: 5, label: false, generation: 1, revision: 10 };

t.test('S6: what wins', async (t) => {
  const rows: [string, Partial<SharedPin>, Partial<SharedPin>][] = [
    ['the higher generation, whatever the rest', { generation: 2, revision: 99 }, { label: true }],
    ['then the one that a label made', { label: true, revision: 99 }, {}],
    ['then the older revision', { revision: 9, release: 9 }, {}],
    ['then the smaller digest of the release', { release: 4, endpoint: 9 }, {}],
    ['then the smaller digest of the endpoint', { endpoint: 4 }, {}],
  ];
  for (const [title, winner, loser] of rows) {
    t.ok(comparePins({ ...base, ...winner }, { ...base, ...loser }) > 0, title);
    t.ok(comparePins({ ...base, ...loser }, { ...base, ...winner }) < 0, title);
  }
});

t.test('the order is total: whatever the order that pins are met in, one and the same wins', async () => {
  const winnerOf = (pins: readonly SharedPin[]) =>
    pins.reduce((best, each) => (comparePins(each, best) > 0 ? each : best));
  fc.assert(
    fc.property(
      fc
        .array(pin, { minLength: 1, maxLength: 6 })
        .chain((pins) => fc.tuple(fc.constant(pins), fc.shuffledSubarray(pins, { minLength: pins.length }))),
      ([pins, shuffled]) => comparePins(winnerOf(pins), winnerOf(shuffled)) === 0,
    ),
  );
  fc.assert(
    fc.property(pin, pin, (a, b) => (comparePins(a, b) === 0) === (JSON.stringify(a) === JSON.stringify(b))),
  );
});

t.test('generations grow by one, and stop at the most that a record holds', async (t) => {
  t.equal(nextGeneration(undefined), 0);
  t.equal(nextGeneration({ generation: 0 }), 1);
  t.equal(nextGeneration({ generation: MAX_GENERATION }), MAX_GENERATION);
});
