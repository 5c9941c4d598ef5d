import t from 'tap';
import { RequestSamples, SAMPLES_KEPT } from '../../../../sidecar/records/request-samples.js';

const TIME = '2026-03-01T12:00:00.000Z';
const record = (path: string) =>
  JSON.stringify({
    direction: 'outbound',
    path,
    status: 200,
    durationMs: 1,
    requestBytes: 0,
    responseBytes: 0,
  });

t.test('while there are few, every request is wanted; of many, one in so many', async (t) => {
  const samples = new RequestSamples(10);
  const wanted = () => Array.from({ length: 105 }, () => samples.wants(false)).filter(Boolean).length;
  t.equal(wanted(), 5 + 10, 'five whatever comes, then one in ten of a hundred');
  t.equal(wanted(), 10, 'of the same tick, one in ten');
  samples.onTick();
  t.equal(wanted(), 5 + 10);
});

t.test('every request that failed is wanted, up to a storm of them', async (t) => {
  const samples = new RequestSamples(1_000_000);
  const wanted = () => Array.from({ length: 80 }, () => samples.wants(true)).filter(Boolean).length;
  t.equal(wanted(), 50);
  t.equal(wanted(), 0);
  samples.onTick();
  t.equal(wanted(), 50);
});

t.test('the last of either kind are kept, and shown the newest first', async (t) => {
  const samples = new RequestSamples(1);
  samples.add(record('/failed'), TIME, true);
  for (let i = 0; i < 3 * SAMPLES_KEPT; i++) samples.add(record(`/${i}`), TIME, false);
  const all = samples.latest(10_000);
  t.equal(all.length, SAMPLES_KEPT + 1);
  t.equal(all[0]?.path, `/${3 * SAMPLES_KEPT - 1}`);
  t.equal(all[1]?.path, `/${3 * SAMPLES_KEPT - 2}`);
  t.equal(all.at(-1)?.path, '/failed', 'a failure outlives what came after it');
  t.equal(all[0]?.time, TIME);
  t.strictSame(
    samples.latest(2).map(({ path }) => path),
    all.slice(0, 2).map(({ path }) => path),
  );
});
