import t from 'tap';
import { storeKey } from '../../sidecar/session/store/stored-pin.js';
import { RECORDS, sharedSession, TTL_MS } from '../support/fake-store.js';
import { eventually } from '../support/processes.js';
import { openStore, REDIS, RedisServer } from '../support/redis.js';

const { skip } = REDIS;
const KEY = storeKey(RECORDS, 1n);
const works = 'the session store works again';

t.test('what one sidecar writes, another one finds, for the ttl', { skip }, async (t) => {
  const redis = await RedisServer.start(t);
  const [a, b] = await Promise.all([openStore(t, redis.storeOptions), openStore(t, redis.storeOptions)]);
  t.equal(await b.find(1n), undefined);
  a.write(sharedSession(1n, { label: true, generation: 3 }), sharedSession(2n));
  await a.flushed();
  t.strictSame(await b.find(1n), sharedSession(1n, { label: true, generation: 3 }));
  t.strictSame(await b.find(2n), sharedSession(2n));
  const left = Number(await redis.ask('PTTL', KEY));
  t.ok(left > TTL_MS / 2 && left <= TTL_MS, `${left} ms`);
  t.match(await redis.ask('KEYS', '*'), [/^roost:[\w-]{22}$/, /^roost:[\w-]{22}$/]);
});

t.test(
  'a session that is read lives on, at the cost of one write per quarter of the ttl',
  { skip },
  async (t) => {
    const redis = await RedisServer.start(t);
    const { find, write, flushed } = await openStore(t, redis.storeOptions);
    write(sharedSession(1n));
    await flushed();
    const leftAfter = async (ms: number) => {
      await redis.ask('PEXPIRE', KEY, String(ms));
      await find(1n);
      // The next question comes after the touch on the same connection.
      await find(1n);
      return Number(await redis.ask('PTTL', KEY));
    };
    const almostAll = await leftAfter(TTL_MS * 0.8);
    t.ok(almostAll <= TTL_MS * 0.8, `${almostAll} ms: left alone`);
    const half = await leftAfter(TTL_MS * 0.5);
    t.ok(half > TTL_MS * 0.9, `${half} ms: as long as a new one`);
  },
);

t.test(
  'of two pins for one session the better one stays, and the other sidecar learns it',
  { skip },
  async (t) => {
    const redis = await RedisServer.start(t);
    const [a, b] = await Promise.all([openStore(t, redis.storeOptions), openStore(t, redis.storeOptions)]);
    const ids = Array.from({ length: 500 }, (_, i) => BigInt(i));
    // Half of the sessions are better at a, the others at b, and both write at once.
    a.write(...ids.map((id) => sharedSession(id, { revision: id % 2n === 0n ? 1 : 3 })));
    b.write(...ids.map((id) => sharedSession(id, { revision: 2, release: 99 })));
    await Promise.all([a.flushed(), b.flushed()]);
    for (const id of ids) t.match(await a.find(id), { pin: { revision: id % 2n === 0n ? 1 : 2 } });
    t.ok(a.conflicts.every(({ hash, pin }) => hash % 2n === 1n && pin.revision === 2));
    t.ok(b.conflicts.every(({ hash, pin }) => hash % 2n === 0n && pin.revision === 1));
    t.equal(a.store.counts.errors + b.store.counts.errors, 0);
  },
);

t.test(
  'a key of another type, or with garbage, counts as unknown and is overwritten',
  { skip },
  async (t) => {
    const redis = await RedisServer.start(t);
    const { store, find, write, flushed, log } = await openStore(t, redis.storeOptions);
    for (const command of [
      ['LPUSH', KEY, 'a', 'b'],
      ['SET', KEY, 'garbage'],
      ['SETRANGE', KEY, '1000000', 'large'],
    ]) {
      await redis.ask('DEL', KEY);
      await redis.ask(...command);
      t.equal(await find(1n), undefined);
      write(sharedSession(1n));
      await flushed();
      t.strictSame(await find(1n), sharedSession(1n));
    }
    t.ok(store.counts.damaged >= 3);
    t.strictSame(log, [], 'the store is not to blame');
  },
);

t.test(
  'a store that is down at the start: requests go on, and it is used once it is there',
  { skip },
  async (t) => {
    const redis = await RedisServer.prepare(t);
    const { store, find, write, log, flushed } = await openStore(t, redis.storeOptions);
    t.equal(await find(1n), undefined);
    t.match(store.counts, { skipped: 1, timeouts: 0 });
    write(sharedSession(1n));
    await redis.launch();
    await flushed();
    t.strictSame(await find(1n), sharedSession(1n));
    t.match(log, [{ fields: { failed: 'connection', cause: /ECONNREFUSED/ } }, { message: works }]);
    t.equal(log.length, 2);
  },
);

t.test('a store that dies and comes back: what was pinned meanwhile is written then', { skip }, async (t) => {
  const redis = await RedisServer.start(t);
  const { store, find, write, log, flushed } = await openStore(t, redis.storeOptions);
  write(sharedSession(1n));
  await flushed();
  await redis.kill();
  await eventually('the loss is noticed', () => store.brokenSinceMs !== undefined);
  t.equal(await find(1n), undefined);
  write(sharedSession(2n));
  await redis.launch();
  await flushed();
  t.strictSame(await find(2n), sharedSession(2n));
  t.equal(await find(1n), undefined, 'it has lost what it had');
  t.match(log, [{ fields: { failed: 'connection' } }, { message: works }]);
  t.equal(log.length, 2);
  t.equal(store.brokenSinceMs, undefined);
});

t.test(
  'a store that hangs: lookups end at the deadline, then are not made, until it is back',
  { skip },
  async (t) => {
    const redis = await RedisServer.start(t);
    const { store, find, write, log, flushed } = await openStore(t, { ...redis.storeOptions, timeoutMs: 50 });
    write(sharedSession(1n));
    await flushed();
    redis.freeze();
    for (let i = 0n; store.brokenSinceMs === undefined; i++) t.equal(await find(i), undefined);
    const { timeouts } = store.counts;
    t.equal(await find(1n), undefined);
    t.match(store.counts, { timeouts, skipped: 1 });
    redis.thaw();
    await eventually('it is asked again', () => store.brokenSinceMs === undefined);
    await eventually('it answers', async () => (await find(1n)) !== undefined);
    t.match(log[0], { fields: { cause: 'no answer within 50 ms' } });
  },
);

t.test('a replica takes no writes: lookups go on, writes wait until it does', { skip }, async (t) => {
  const primary = await RedisServer.start(t);
  const redis = await RedisServer.start(t);
  const { store, find, write, log, flushed } = await openStore(t, redis.storeOptions);
  write(sharedSession(1n));
  await flushed();
  await redis.ask('CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
  // It stays a replica that has what it had: nothing comes from there while it is stopped.
  primary.freeze();
  await redis.ask('REPLICAOF', '127.0.0.1', String(primary.port));
  for (let i = 10n; i < 20n; i++) write(sharedSession(i));
  await eventually('the refusal is noticed', () => store.brokenSinceMs !== undefined);
  await eventually('lookups go on', async () => (await find(1n)) !== undefined);
  t.equal(store.pending, 10);
  t.match(log[0], { fields: { failed: 'writes', cause: /READONLY/ } });
  await redis.ask('REPLICAOF', 'NO', 'ONE');
  await flushed();
  t.strictSame(await find(19n), sharedSession(19n));
});

t.test(
  'a full store takes no new session: lookups go on, writes wait until there is room',
  { skip },
  async (t) => {
    const redis = await RedisServer.start(t, { args: ['--maxmemory-policy', 'noeviction'] });
    const { store, find, write, log, flushed } = await openStore(t, redis.storeOptions);
    write(sharedSession(1n));
    await flushed();
    await redis.ask('CONFIG', 'SET', 'maxmemory', '1');
    for (let i = 10n; i < 20n; i++) write(sharedSession(i));
    await eventually('the refusal is noticed', () => store.brokenSinceMs !== undefined);
    t.strictSame(await find(1n), sharedSession(1n));
    t.match(log[0], { fields: { failed: 'writes', cause: /OOM/ } });
    await redis.ask('CONFIG', 'SET', 'maxmemory', '0');
    await flushed();
    t.strictSame(await find(19n), sharedSession(19n));
  },
);

t.test('a store that still loads its data refuses, and is used afterwards', { skip }, async (t) => {
  const redis = await RedisServer.start(t);
  const { store, find, write, flushed } = await openStore(t, redis.storeOptions);
  write(...Array.from({ length: 800 }, (_, i) => sharedSession(BigInt(i))));
  await flushed();
  await redis.ask('SAVE');
  await redis.kill();
  await redis.launch(['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024']);
  const { errors } = store.counts;
  await eventually('it is found', async () => (await find(1n)) !== undefined);
  t.ok(store.counts.errors > errors, 'LOADING was answered');
});
