import t from 'tap';
import { storeKey, toStored } from '../../../../../sidecar/session/store/stored-pin.js';
import { fakeStore, RECORDS, sharedSession, TTL_MS } from '../../../../support/fake-store.js';

t.test('finds what another sidecar has written, and not what is unknown', async (t) => {
  const { store, clock, find, write } = fakeStore();
  write(sharedSession(1n, { label: true, generation: 3 }));
  await clock.pass(5);
  t.strictSame(await find(1n), sharedSession(1n, { label: true, generation: 3 }));
  t.equal(await find(2n), undefined);
  t.match(store.counts, { lookups: 2, hits: 1, misses: 1, written: 1, errors: 0 });
  t.equal(store.lookupTimes.count, 2);
});

t.test('a written session lives for its ttl, and a session that is read lives on', async (t) => {
  const { client, clock, find, write } = fakeStore();
  write(sharedSession(1n));
  await clock.pass(5);
  const key = storeKey(RECORDS, 1n);
  t.equal(client.ttls.get(key), TTL_MS - 5, 'the time that the write has waited counts');
  await find(1n);
  t.strictSame(client.touched, [key]);
});

t.test(
  'where it came from and when it was used does not matter: the same pin has the same value',
  async (t) => {
    const { store, client, clock, write } = fakeStore();
    write({ ...sharedSession(1n), idleS: 7, source: 9 });
    await clock.pass(5);
    write({ ...sharedSession(1n), idleS: 70, source: 90 });
    await clock.pass(5);
    t.equal(client.replaced, 2, 'no second attempt');
    t.match(store.counts, { written: 2, conflicts: 0 });
  },
);

t.test('the better pin stays, whichever comes first, and the loser learns it', async (t) => {
  const [better, worse] = [sharedSession(1n, { revision: 4 }), sharedSession(1n, { revision: 5 })];
  for (const [first, second] of [
    [better, worse],
    [worse, better],
  ] as const) {
    const { store, conflicts, clock, find, write } = fakeStore();
    write(first);
    await clock.pass(5);
    write(second);
    await clock.pass(5);
    t.strictSame(await find(1n), better);
    t.strictSame(conflicts, second === worse ? [better] : []);
    t.equal(store.counts.conflicts, second === worse ? 1 : 0);
  }
});

t.test('a pin that changes while it is replaced is compared again', async (t) => {
  const { client, clock, conflicts, find, write } = fakeStore();
  const [mine, theirs] = [sharedSession(1n, { generation: 1 }), sharedSession(1n, { generation: 2 })];
  write(sharedSession(1n));
  await clock.pass(5);
  let times = 0;
  client.beforeReplace = (key) => {
    if (++times === 2) client.values.set(key, toStored(RECORDS, [theirs])[0]?.value as Buffer);
  };
  write(mine);
  await clock.pass(5);
  t.strictSame(await find(1n), theirs);
  t.strictSame(conflicts, [theirs]);
});

t.test('a session that others keep changing is tried again, and the server is not to blame', async (t) => {
  const { store, client, clock, log, find, write } = fakeStore();
  let revision = 1000;
  client.beforeReplace = (key) => {
    const worse = sharedSession(1n, { revision: --revision });
    client.values.set(key, toStored(RECORDS, [worse])[0]?.value as Buffer);
  };
  write(sharedSession(1n));
  await clock.pass(20_000);
  t.equal(store.pending, 1);
  client.beforeReplace = undefined;
  await clock.pass(1000);
  t.strictSame(await find(1n), sharedSession(1n));
  t.strictSame([store.counts.errors, log], [0, []]);
});

t.test('of several writes of one session that wait, the better pin is written, once', async (t) => {
  const { client, clock, find, write } = fakeStore();
  write(sharedSession(1n, { generation: 1 }), sharedSession(1n, { generation: 2 }), sharedSession(1n));
  await clock.pass(5);
  t.equal(client.replaced, 1);
  t.match(await find(1n), { pin: { generation: 2 } });
});

t.test('a value that is not a pin of the session counts as unknown, and is overwritten', async (t) => {
  const another = toStored(RECORDS, [sharedSession(2n)])[0]?.value as Buffer;
  for (const garbage of [
    Buffer.alloc(0),
    Buffer.from('hello'),
    Buffer.alloc(48, 1),
    another,
    Buffer.alloc(4096),
  ]) {
    const { store, client, clock, find, write } = fakeStore();
    client.values.set(storeKey(RECORDS, 1n), garbage);
    t.equal(await find(1n), undefined, `${garbage.length} bytes`);
    t.match(store.counts, { misses: 1, damaged: 1 });
    write(sharedSession(1n));
    await clock.pass(5);
    t.strictSame(await find(1n), sharedSession(1n));
  }
});

t.test('a lookup ends at the deadline, and one that fails at once', async (t) => {
  const { store, client, clock, find } = fakeStore();
  client.reads = 'silent';
  let isOver = false;
  const found = find(1n).finally(() => {
    isOver = true;
  });
  await clock.pass(19);
  t.notOk(isOver);
  await clock.pass(1);
  t.equal(await found, undefined);
  client.reads = { refuses: 'LOADING Redis is loading the dataset in memory' };
  t.equal(await find(1n), undefined);
  t.match(store.counts, { lookups: 2, timeouts: 1, errors: 1, hits: 0, misses: 0 });
});

t.test('requests of one session that come together ask once', async (t) => {
  const { store, client, clock, find, write } = fakeStore();
  write(sharedSession(1n));
  await clock.pass(5);
  const found = await Promise.all([find(1n), find(1n), find(1n)]);
  t.strictSame(found, Array(3).fill(sharedSession(1n)));
  t.equal(client.asked.length, 1);
  t.equal(store.counts.hits, 3);
});

t.test('no more than 1000 sessions are asked for at once', async (t) => {
  const { store, client, clock, find } = fakeStore();
  client.reads = 'silent';
  for (let i = 0n; i < 1500n; i++) void find(i);
  t.equal(client.asked.length, 1000);
  t.equal(store.counts.skipped, 500);
  await clock.pass(20);
});

t.test('a store that does not answer is not asked, except by a probe now and then', async (t) => {
  const { store, client, clock, find } = fakeStore();
  client.reads = 'silent';
  for (let i = 0n; i < 5n; i++) void find(i);
  await clock.pass(20);
  t.equal(client.asked.length, 5);
  t.equal(await find(9n), undefined, 'at once');
  t.equal(store.counts.skipped, 1);
  await clock.pass(60_000);
  const probes = client.asked.length - 5;
  t.ok(probes >= 6 && probes <= 20, `${probes} probes in a minute`);
  client.reads = 'works';
  await clock.pass(10_000);
  t.equal(store.brokenSinceMs, undefined);
  t.equal(await find(9n), undefined);
  t.equal(store.counts.misses, 1, 'asked again');
});

t.test('of an answer that comes in time now and then, no request waits on the others', async (t) => {
  const { store, client, clock, find } = fakeStore();
  for (let i = 0n; i < 20n; i++) {
    client.reads = i % 5n === 0n ? 'works' : 'silent';
    void find(i);
    await clock.pass(20);
  }
  t.match(store.counts, { timeouts: 16, skipped: 0 }, 'four failures in a row do not open the circuit');
});

t.test('without a connection nothing is asked, and what is written waits for one', async (t) => {
  const { store, client, clock, find, write } = fakeStore({ isConnected: false });
  t.equal(await find(1n), undefined);
  write(sharedSession(1n));
  await clock.pass(60_000);
  t.strictSame([client.asked.length, client.replaced, store.pending], [0, 0, 1]);
  client.connect();
  await clock.pass(5);
  t.strictSame(await find(1n), sharedSession(1n));
  t.equal(store.pending, 0);
});

t.test('a write that fails is tried again until it succeeds', async (t) => {
  const { store, client, clock, find, write } = fakeStore();
  client.writes = { refuses: "OOM command not allowed when used memory > 'maxmemory'." };
  for (let i = 0n; i < 10n; i++) write(sharedSession(i));
  await clock.pass(60_000);
  t.equal(store.pending, 10);
  t.ok(client.replaced < 40, `${client.replaced} attempts in a minute`);
  t.equal(await find(1n), undefined);
  t.equal(store.counts.misses, 1, 'lookups go on');
  client.writes = 'works';
  await clock.pass(11_000);
  t.equal(store.pending, 0);
  t.strictSame(await find(9n), sharedSession(9n));
});

t.test('a write that is not answered is tried again, and does not hold the others up for ever', async (t) => {
  const { store, client, clock, write } = fakeStore();
  client.writes = 'silent';
  for (let i = 0n; i < 300n; i++) write(sharedSession(i));
  await clock.pass(1000);
  t.equal(client.replaced, 128, 'bounded');
  client.writes = 'works';
  await clock.pass(15_000);
  t.equal(store.pending, 0);
  t.equal(client.values.size, 300);
});

t.test('the queue is bounded, drops are counted, and the owner is told once it works again', async (t) => {
  const { store, client, clock, seen, write } = fakeStore({ isConnected: false });
  client.lose('connect ECONNREFUSED');
  write(...Array.from({ length: 20_100 }, (_, i) => sharedSession(BigInt(i))));
  t.strictSame([store.pending, store.counts.dropped, seen.gaps], [20_000, 100, 0]);
  client.connect();
  await clock.pass(2000);
  t.strictSame([store.pending, client.values.size, seen.gaps], [0, 20_000, 1]);
});

t.test('a session whose ttl is over before it is written is not written', async (t) => {
  const { store, client, clock, write } = fakeStore({ isConnected: false });
  write(sharedSession(1n));
  await clock.pass(TTL_MS);
  client.connect();
  await clock.pass(5);
  t.strictSame([client.values.size, store.counts.dropped, store.pending], [0, 1, 0]);
});

t.test('a connection that leads to a replica, or was made without a password, is left', async (t) => {
  for (const refuses of [
    "READONLY You can't write against a read only replica.",
    'NOAUTH Authentication required.',
  ]) {
    const { client, clock, write } = fakeStore();
    client.writes = { refuses };
    for (let i = 0n; i < 5n; i++) write(sharedSession(i));
    await clock.pass(1100);
    t.ok(client.resets.length >= 1);
    t.equal(client.resets[0], refuses);
  }
});

t.test('a connection is kept where a new one would be no better', async (t) => {
  const { client, clock, write } = fakeStore();
  client.writes = { refuses: 'OOM command not allowed' };
  for (let i = 0n; i < 5n; i++) write(sharedSession(i));
  await clock.pass(60_000);
  t.strictSame(client.resets, []);
});

t.test('a connection that is dead is left', async (t) => {
  const { client, clock, find } = fakeStore();
  client.reads = 'silent';
  for (let i = 0n; i < 5n; i++) void find(i);
  await clock.pass(5000);
  t.match(client.resets[0], /no answer within 20 ms/);
});

t.test('where one node of a cluster fails, the others are used on', async (t) => {
  const { store, client, clock, log, find, write } = fakeStore();
  client.nodeOf = (key) => (key.charCodeAt(6) % 2 === 0 ? 'even' : 'odd');
  const ids = Array.from({ length: 60 }, (_, i) => BigInt(i));
  const dead = ids.filter((id) => client.nodeOf(storeKey(RECORDS, id)) === 'odd').length;
  client.deadNodes.add('odd');
  write(...ids.map((id) => sharedSession(id)));
  await clock.pass(60_000);
  t.equal(store.pending, dead);
  t.equal(client.values.size, 60 - dead);
  for (const id of ids) await find(id);
  t.match(store.counts, { hits: 60 - dead, errors: Number, skipped: dead - 5 });
  client.deadNodes.clear();
  await clock.pass(11_000);
  t.strictSame([store.pending, store.brokenSinceMs, log.length], [0, undefined, 2]);
  for (const id of ids) t.strictSame(await find(id), sharedSession(id));
});

t.test('an episode is two lines in the log, whatever fails in it', async (t) => {
  const { store, client, clock, log, find, write } = fakeStore();
  const startMs = clock.nowMs();
  client.reads = client.writes = { refuses: 'NOAUTH Authentication required.' };
  for (let i = 0n; i < 10n; i++) {
    await find(i);
    write(sharedSession(i));
  }
  await clock.pass(3000);
  t.equal(store.brokenSinceMs, startMs);
  client.lose('read ECONNRESET');
  client.reads = client.writes = 'works';
  await clock.pass(3000);
  t.equal(log.length, 1);
  t.match(log[0], {
    level: 'warn',
    fields: { store: 'redis://store:6379', failed: 'lookups', cause: 'NOAUTH Authentication required.' },
    message: /^the session store fails/,
  });
  client.connect();
  await clock.pass(1000);
  t.equal(store.brokenSinceMs, undefined);
  t.strictSame([log.length, log[1]?.level, log[1]?.message], [2, 'info', 'the session store works again']);
});

t.test('settles with the first connection, with its failure, or after two seconds', async (t) => {
  for (const happens of ['connects', 'fails', 'neither'] as const) {
    const { store, client, clock } = fakeStore({ isConnected: false });
    let isSettled = false;
    void store.settled.then(() => {
      isSettled = true;
    });
    await clock.pass(1);
    t.notOk(isSettled);
    if (happens === 'connects') client.connect();
    if (happens === 'fails') client.lose('connect ECONNREFUSED');
    await clock.pass(happens === 'neither' ? 2000 : 0);
    t.ok(isSettled, happens);
  }
});

t.test('closing writes what waits, gives up on a broken store, and leaves no timer', async (t) => {
  for (const manner of ['works', 'silent'] as const) {
    const { store, client, clock, write } = fakeStore();
    client.writes = manner;
    write(sharedSession(1n));
    const closed = store.close();
    await clock.pass(1000);
    await closed;
    t.equal(client.values.size, manner === 'works' ? 1 : 0);
    t.ok(client.isClosed);
    await clock.pass(2000);
    t.equal(clock.waiting, 0, manner);
  }
});
