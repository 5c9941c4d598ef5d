import t from 'tap';
import { CASES } from '../../../support/ingress/cases.js';
import { TableWorld } from '../../../support/ingress/table-world.js';

t.test('every case that an imported service is to answer is there once', async (t) => {
  const ids = CASES.map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length);
  const range = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
  for (const id of [...range(5, 41), ...range(52, 66)]) t.ok(ids.includes(id), id);
});

/** The cases of ingress-nginx through the decision function; `test/e2e/ingress-cases` has them through a sidecar. */
for (const { id, given, there, here, run } of CASES) {
  const expected = here ? `${here.answer}, not ${there}` : there;
  t.test(`${id}: ${given}: ${expected}`, (t) => run(new TableWorld(), t));
}
