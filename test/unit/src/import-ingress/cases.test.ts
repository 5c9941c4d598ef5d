import t from 'tap';
import { CASES } from '../../../support/ingress/cases.js';
import { TableWorld } from '../../../support/ingress/table-world.js';

/** The cases of ingress-nginx through the decision function; `test/e2e/ingress-cases` has them through a sidecar. */
for (const { id, given, there, here, run } of CASES) {
  const expected = here ? `${here.answer}, not ${there}` : there;
  t.test(`${id}: ${given}: ${expected}`, (t) => run(new TableWorld(), t));
}
