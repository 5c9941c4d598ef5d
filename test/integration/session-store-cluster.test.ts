import t from 'tap';
import { hashSlot } from '../../sidecar/session/store/redis-commands.js';
import { storeKey } from '../../sidecar/session/store/stored-pin.js';
import { RECORDS, sharedSession } from '../support/fake-store.js';
import { eventually } from '../support/processes.js';
import {
  ACL_RULES,
  addReplica,
  CLUSTER_ACL_RULES,
  openStore,
  REDIS,
  type RedisServer,
  startRedisCluster,
} from '../support/redis.js';

const { skip } = REDIS;

t.setTimeout(120_000);
const IDS = Array.from({ length: 90 }, (_, i) => BigInt(i));
const SESSIONS = IDS.map((id) => sharedSession(id));
const optionsOf = ({ storeOptions }: RedisServer) => ({ ...storeOptions, isCluster: true });

t.test(
  'a cluster: each node has its share of the sessions, wherever a sidecar begins',
  { skip },
  async (t) => {
    const nodes = await startRedisCluster(t);
    const [from, to, last] = nodes as [RedisServer, RedisServer, RedisServer];
    const rules = `on >s3cret ${ACL_RULES} ${CLUSTER_ACL_RULES}`.split(' ');
    for (const node of nodes) await node.ask('ACL', 'SETUSER', 'roost', ...rules);
    const asUser = { user: 'roost', password: 's3cret' };
    const a = await openStore(t, { ...optionsOf(from), ...asUser });
    const b = await openStore(t, { ...optionsOf(last), ...asUser });
    a.write(...SESSIONS);
    await a.flushed();
    await eventually('every node is reached', async () =>
      (await Promise.all(IDS.map((id) => b.find(id)))).every((session) => session !== undefined),
    );
    for (const id of IDS) t.strictSame(await b.find(id), sharedSession(id));
    for (const node of nodes) t.ok(Number(await node.ask('DBSIZE')) > 10);

    t.comment('a slot moves from the first node to the second');
    const id = IDS.find((id) => hashSlot(storeKey(RECORDS, id)) < 5000) as bigint;
    const key = storeKey(RECORDS, id);
    const slot = String(hashSlot(key));
    const [fromId, toId] = [
      String(await from.ask('CLUSTER', 'MYID')),
      String(await to.ask('CLUSTER', 'MYID')),
    ];
    await to.ask('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await from.ask('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    await from.ask('MIGRATE', '127.0.0.1', String(to.port), key, '0', '5000');
    t.strictSame(await b.find(id), sharedSession(id), 'while it moves (ASK)');
    for (const node of [to, from]) await node.ask('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    t.strictSame(await b.find(id), sharedSession(id), 'when it has moved (MOVED)');
    t.strictSame([a.log, b.log], [[], []]);
  },
);

t.test(
  'a cluster that loses a node: the others are used on, and the node is when it is back',
  { skip },
  async (t) => {
    const [first, lost, last] = (await startRedisCluster(t)) as [RedisServer, RedisServer, RedisServer];
    const { store, find, write, flushed, log } = await openStore(t, optionsOf(first));
    write(...SESSIONS);
    await flushed();
    const lostShare = Number(await lost.ask('DBSIZE'));
    await lost.kill();
    await eventually('the loss is noticed', async () => {
      await Promise.all(IDS.map((id) => find(id)));
      return store.brokenSinceMs !== undefined;
    });
    const found = await Promise.all(IDS.map((id) => find(id)));
    t.equal(found.filter((session) => session === undefined).length, lostShare);
    write(...IDS.map((id) => sharedSession(id, { generation: 1 })));
    await eventually('the others take what is theirs', () => store.pending === lostShare);
    t.ok(Number(await last.ask('DBSIZE')) > 10);
    await lost.launch();
    await flushed();
    for (const id of IDS) t.match(await find(id), { pin: { generation: 1 } });
    t.match(log, [{ message: /^the session store fails/ }, { message: 'the session store works again' }]);
  },
);

t.test(
  'a cluster with a node that hangs: the others are used on, and the node is when it goes on',
  { skip },
  async (t) => {
    const nodes = (await startRedisCluster(t)) as [RedisServer, RedisServer, RedisServer];
    const hosts = nodes.flatMap(({ storeOptions }) => storeOptions.hosts);
    const options = { ...optionsOf(nodes[0]), hosts, timeoutMs: 100 };
    const { store, find, write, flushed } = await openStore(t, options);
    write(...SESSIONS);
    await flushed();
    const hangingShare = Number(await nodes[1].ask('DBSIZE'));
    nodes[1].freeze();
    const findAll = async () => {
      const found = await Promise.all(IDS.map((id) => find(id)));
      return found.filter((session) => session !== undefined).length;
    };
    await eventually('it is noticed', async () => {
      await findAll();
      return store.brokenSinceMs !== undefined;
    });
    await eventually('the others are used', async () => (await findAll()) === IDS.length - hangingShare);
    nodes[1].thaw();
    await eventually('all are found', async () => (await findAll()) === IDS.length);
  },
);

t.test('a cluster that fails over: what the lost node had is found at its replica', { skip }, async (t) => {
  const nodes = await startRedisCluster(t);
  const [first, lost] = nodes as [RedisServer, RedisServer];
  const replica = await addReplica(t, nodes, lost);
  const { store, find, write, flushed } = await openStore(t, optionsOf(first));
  write(...SESSIONS);
  await flushed();
  await eventually(
    'the replica has it',
    async () => (await replica.ask('DBSIZE')) === (await lost.ask('DBSIZE')),
  );
  await lost.kill();
  await replica.ask('CLUSTER', 'FAILOVER', 'TAKEOVER');
  await eventually('all are found', async () => {
    const found = await Promise.all(IDS.map((id) => find(id)));
    return found.every((session) => session !== undefined);
  });
  write(...IDS.map((id) => sharedSession(id, { generation: 1 })));
  await flushed();
  await eventually('it is asked again', () => store.brokenSinceMs === undefined);
  t.match(await Promise.all(IDS.map((id) => find(id))), Array(IDS.length).fill({ pin: { generation: 1 } }));
});

t.test('a cluster that is down at the start is used once it is there', { skip }, async (t) => {
  const nodes = await startRedisCluster(t);
  for (const node of nodes) await node.kill();
  const hosts = nodes.flatMap(({ storeOptions }) => storeOptions.hosts);
  const { find, write, flushed, log } = await openStore(t, {
    ...optionsOf(nodes[0] as RedisServer),
    hosts,
  });
  t.equal(await find(1n), undefined);
  write(sharedSession(1n));
  t.match(log, [{ fields: { failed: 'connection' } }]);
  for (const node of nodes) await node.launch();
  await flushed();
  t.strictSame(await find(1n), sharedSession(1n));
});
