import t from 'tap';
import {
  movesBetween,
  type Placed,
  type Round,
  sessionsAt,
  shareOf,
} from '../../../../bench/stickiness/scoring.js';

const at = (pod: string): Placed => ({ release: pod.split('-')[0] as string, pod });
const round = (placed: Readonly<Record<string, Placed>>): Round => new Map(Object.entries(placed));

t.test('a flip is another release, a hop another pod of the same', async (t) => {
  const before = round({ a: at('v1-1'), b: at('v1-1'), c: at('v1-1'), d: undefined, e: at('v2-1') });
  const after = round({ a: at('v1-1'), b: at('v1-2'), c: at('v2-1'), d: at('v2-1'), e: undefined });
  t.same(movesBetween(before, after), { flips: 1, hops: 1, failed: 1 });
  t.same(movesBetween(round({}), after), { flips: 0, hops: 0, failed: 1 }, 'first calls move nobody');
});

t.test('shares are of the calls that were answered', async (t) => {
  const calls = round({ a: at('v1-1'), b: at('v2-1'), c: undefined });
  t.equal(shareOf(calls, 'v2'), 0.5);
  t.same(sessionsAt(calls, 'v2'), ['b']);
  t.equal(shareOf(round({}), 'v2'), 0);
});
