import { Metadata } from '@grpc/grpc-js';
import t from 'tap';
import { StoreGuard } from '../../../../sidecar/discovery/store-guard.js';
import {
  REPLACES_METADATA,
  REVISION_METADATA,
  STORE_METADATA,
  storeIdentity,
} from '../../../../src/api/store-identity.js';
import { createLogger } from '../../../../src/telemetry/logger.js';

function greeting(store: string, { replaces = false, revision = 0 } = {}): Metadata {
  const metadata = new Metadata();
  if (store !== '') metadata.set(STORE_METADATA, store);
  metadata.set(REVISION_METADATA, String(revision));
  if (replaces) metadata.set(REPLACES_METADATA, '1');
  return metadata;
}

/** A guard whose configuration is from the store `old`. */
function guardOfOld(): { guard: StoreGuard; lines: string[]; clock: { nowMs: number } } {
  const lines: string[] = [];
  const clock = { nowMs: 0 };
  const guard = new StoreGuard(
    createLogger('test', 'info', { write: (line: string) => void lines.push(line) }),
    () => clock.nowMs,
  );
  guard.meet(greeting('old'));
  return { guard, lines, clock };
}

t.test('its own store is believed, and a server that names none', async (t) => {
  const { guard } = guardOfOld();
  t.same(guard.believed('listener', ['a', 'b'], []), ['a', 'b']);
  guard.meet(greeting('old'));
  t.same(guard.believed('listener', ['a'], []), ['a']);
  guard.meet(greeting(''));
  t.same(guard.believed('listener', ['a'], []), ['a']);
  t.equal(guard.keptCount, 0);
});

t.test('what another store does not know of is kept, and what it is told of later is followed', async (t) => {
  const { guard, lines } = guardOfOld();
  guard.meet(greeting('new'));
  t.same(guard.believed('cluster', ['c1', 'c2'], []), []);
  t.same(guard.believed('listener', ['a', 'b'], ['c']), []);
  t.equal(guard.keptCount, 4);
  t.match(lines.join(''), /another store.*is kept/);
  t.same(guard.believed('listener', ['c'], []), ['c'], 'what it gave, it takes');
  t.same(guard.believed('listener', [], ['a']), []);
  t.same(guard.believed('listener', ['a', 'b'], []), ['a'], 'also of what it has come to know');
  t.equal(guard.origin.store, 'old');
  guard.meet(greeting('new'));
  t.same(guard.believed('listener', ['b'], []), [], 'on every stream anew');
});

t.test('it ends with the old store, with one that knows everything, and by word', async (t) => {
  const { guard } = guardOfOld();
  guard.meet(greeting('new'));
  t.same(guard.believed('listener', ['a'], []), []);
  guard.meet(greeting('old'));
  t.same([guard.believed('listener', ['a'], []), guard.keptCount], [['a'], 0]);

  guard.meet(greeting('new'));
  t.same(guard.believed('listener', [], ['a']), []);
  t.equal(guard.origin.store, 'new');
  t.same(guard.believed('listener', ['a'], []), ['a']);

  guard.meet(greeting('third', { replaces: true }));
  t.same([guard.believed('listener', ['a'], []), guard.origin.store], [['a'], 'third']);
});

t.test(
  'a control plane that says nothing at first knows everything; what it says later is believed',
  async (t) => {
    const { guard, clock } = guardOfOld();
    guard.meet(greeting('new'));
    clock.nowMs = 10_001;
    t.same([guard.believed('listener', ['a'], []), guard.origin.store], [['a'], 'new']);
  },
);

t.test('an older version of the same store is another one, also once it has counted on', async (t) => {
  const { guard } = guardOfOld();
  guard.saw(43);
  guard.meet(greeting('old', { revision: 43 }));
  t.same(guard.believed('listener', ['a'], []), ['a']);
  guard.meet(greeting('old', { revision: 40 }));
  t.same(guard.believed('listener', ['late'], ['b']), []);
  guard.saw(50);
  guard.meet(greeting('old', { revision: 50 }));
  t.same(guard.believed('listener', ['late'], []), [], 'what it had forgotten then, it has forgotten now');
  t.same(guard.believed('listener', ['b'], []), ['b']);
  guard.meet(greeting('old', { revision: 51 }));
  t.same(guard.believed('listener', [], ['late']), [], 'it knows everything again');
  guard.meet(greeting('old', { revision: 52 }));
  t.same(guard.believed('listener', ['late'], []), ['late']);
});

t.test('where the configuration is from outlives the process', async (t) => {
  const { guard } = guardOfOld();
  guard.resume({ store: 'from-disk', revision: 3 });
  guard.meet(greeting('new'));
  t.same([guard.believed('listener', ['a'], []), guard.origin.store], [[], 'from-disk']);
  guard.meet(greeting('from-disk', { revision: 3 }));
  t.same(guard.believed('listener', ['a'], []), ['a']);
});

t.test('a store is named by its secret and does not tell it', async (t) => {
  const secret = Buffer.alloc(32, 7);
  t.equal(storeIdentity(secret), storeIdentity(Buffer.alloc(32, 7)));
  t.not(storeIdentity(secret), storeIdentity(Buffer.alloc(32, 8)));
  t.match(storeIdentity(secret), /^[\w-]{22}$/);
});
