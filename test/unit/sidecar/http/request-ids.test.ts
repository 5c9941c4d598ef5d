import t from 'tap';
import { requestIds } from '../../../../sidecar/http/request-ids.js';

const UUID_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

t.test('request ids look like UUIDs and never repeat, in one process or in two', async (t) => {
  const [one, other] = [requestIds(), requestIds()];
  const ids = Array.from({ length: 10_000 }, (_, i) => (i % 2 === 0 ? one() : other()));
  t.equal(new Set(ids).size, ids.length);
  t.same(
    ids.filter((id) => !UUID_4.test(id)),
    [],
  );
});

t.test('when the count is used up, another prefix is drawn', async (t) => {
  const next = requestIds();
  const first = next();
  for (let i = 1; i < 16 ** 6; i++) next();
  const later = next();
  t.match(later, UUID_4);
  t.not(later.slice(0, 30), first.slice(0, 30));
});
