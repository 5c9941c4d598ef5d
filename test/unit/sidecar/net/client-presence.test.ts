import t from 'tap';
import { ClientPresence } from '../../../../sidecar/net/client-presence.js';

t.test('a client that has ended its side is waited for, unless it is seen to be there', async (t) => {
  const presence = new ClientPresence();
  t.notOk(presence.isOverdue(99_000, 500));
  presence.ended(1000);
  presence.ended(1400);
  t.notOk(presence.isOverdue(1499, 500));
  t.ok(presence.isOverdue(1500, 500), 'from its first sign on');
  t.notOk(presence.isOverdue(99_000, 0), 'without a limit');
  presence.seen();
  t.notOk(presence.isOverdue(99_000, 500));
  presence.ended(1000);
  presence.begin();
  t.notOk(presence.isOverdue(99_000, 500), 'nor does it count for the next request');
});
