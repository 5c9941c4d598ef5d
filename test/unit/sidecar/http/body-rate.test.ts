import t from 'tap';
import { BodyRate } from '../../../../sidecar/http/body-rate.js';

const RATE = 100;
const WINDOW_MS = 10_000;
const OWED = (RATE * WINDOW_MS) / 1000;

/** A body whose first byte may come at 0. */
function started(rate = RATE, expects = false): BodyRate {
  const body = new BodyRate(rate);
  body.start(0, expects);
  return body;
}

t.test('a window with exactly the bytes that it owes is fast enough; with one less it is not', async (t) => {
  for (const [bytes, tooSlow] of [
    [OWED, false],
    [OWED - 1, true],
    [0, true],
  ] as const) {
    const body = started();
    body.add(bytes);
    t.equal(body.isTooSlow(WINDOW_MS - 1, false), false, 'nothing is said before its end');
    t.equal(body.isTooSlow(WINDOW_MS, false), tooSlow, `${bytes} bytes`);
  }
});

t.test('bytes of one window do not make up for a lack in the next', async (t) => {
  const body = started();
  body.add(1_000_000);
  t.equal(body.isTooSlow(WINDOW_MS, false), false);
  body.add(OWED);
  t.equal(body.isTooSlow(2 * WINDOW_MS, false), false);
  body.add(OWED - 1);
  t.equal(body.isTooSlow(3 * WINDOW_MS, false), true);
});

t.test('a client that is not being read owes nothing', async (t) => {
  const body = started();
  for (let now = 0; now <= 10 * WINDOW_MS; now += 2500) t.equal(body.isTooSlow(now, true), false);
  t.equal(body.isTooSlow(11 * WINDOW_MS - 1, false), false, 'its window begins when it is read again');
  t.equal(body.isTooSlow(11 * WINDOW_MS, false), true);
});

t.test(
  'a client that waits for a 100 owes nothing before its first byte (RFC 9110 section 10.1.1)',
  async (t) => {
    const body = started(RATE, true);
    for (let now = 0; now <= 10 * WINDOW_MS; now += 2500) t.equal(body.isTooSlow(now, false), false);
    body.add(1);
    t.equal(body.isTooSlow(10 * WINDOW_MS + 50, false), false);
    t.equal(body.isTooSlow(11 * WINDOW_MS, false), false);
    t.equal(body.isTooSlow(11 * WINDOW_MS + 50, false), true);
  },
);

t.test('a rate of 0 lets a body be as slow as it likes', async (t) => {
  const body = started(0);
  t.equal(body.isTooSlow(1000 * WINDOW_MS, false), false);
});

t.test('starts afresh with every body', async (t) => {
  const body = started();
  body.add(OWED);
  body.start(5 * WINDOW_MS, false);
  t.equal(body.isTooSlow(6 * WINDOW_MS - 1, false), false);
  t.equal(body.isTooSlow(6 * WINDOW_MS, false), true, 'and what the last one brought does not count');
});
