import t from 'tap';
import { AFTERMATH_MS, Aftermath } from '../../../../bench/soak/aftermath.js';

t.test(
  'a session whose client left rests until all is answered that was sent in the time after',
  async (t) => {
    const aftermath = new Aftermath<string>();
    aftermath.add('a', 90, 100);
    aftermath.add('b', 150, 200);
    aftermath.add('c', 280, 300);
    t.same(aftermath.over(100 + AFTERMATH_MS), [], 'a request of that very moment is still under way');
    t.same(aftermath.over(201 + AFTERMATH_MS), [
      { session: 'a', sentAtMs: 90, leftAtMs: 100 },
      { session: 'b', sentAtMs: 150, leftAtMs: 200 },
    ]);
    t.same(aftermath.over(201 + AFTERMATH_MS), [], 'and is told of once');
    t.same(
      aftermath.over(Number.POSITIVE_INFINITY).map(({ session }) => session),
      ['c'],
    );
  },
);
