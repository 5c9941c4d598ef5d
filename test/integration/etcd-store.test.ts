import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Cause, emptyState } from '../../control-plane/store/config-state.js';
import { ConfigStore } from '../../control-plane/store/config-store.js';
import { EtcdBackend, type EtcdTiming } from '../../control-plane/store/etcd/etcd-backend.js';
import type { EtcdOptions } from '../../control-plane/store/etcd/etcd-options.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { base64, ETCD, EtcdCluster } from '../support/etcd.js';
import { temporaryFolder } from '../support/folder.js';
import { eventually } from '../support/processes.js';
import { meshService } from '../support/shop.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const input = (...args: Parameters<typeof meshService>) => meshService(...args) as MeshServiceInput;
const cause = (requestId = randomBytes(8).toString('hex')): Cause => ({
  action: 'apply',
  by: { origin: 'api', name: 'ann', peer: '' },
  requestId,
});
const apply = (store: ConfigStore, name: string, n = 1) =>
  store.edit({ documents: [input(name, { v1: n })], cause: cause() });
const keysOf = (store: ConfigStore) => [...store.current.services.keys()].sort();

async function open(
  t: Test,
  options: EtcdOptions,
  timing: Partial<EtcdTiming> = {},
): Promise<{ store: ConfigStore; log: string[] }> {
  const log: string[] = [];
  const logger = createLogger('test', 'info', { write: (line: string) => void log.push(line) });
  const backend = EtcdBackend.open(options, logger, { operationMs: 1500, ...timing });
  const store = await ConfigStore.open(backend, logger);
  t.teardown(() => store.close());
  return { store, log };
}

const etcdTest = (name: string, work: (t: Test) => Promise<void>) => t.test(name, { skip: ETCD.skip }, work);

etcdTest('control planes that begin at once share one configuration and one secret', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const opened = await Promise.all(Array.from({ length: 5 }, () => open(t, etcd.storeOptions())));
  const secrets = new Set(opened.map(({ store }) => store.current.pinSecret.toString('hex')));
  t.equal(secrets.size, 1);
  const [a, b] = opened.map(({ store }) => store) as [ConfigStore, ConfigStore];
  const seen: string[] = [];
  b.on('change', ({ revision }, keys) => seen.push(`${revision}: ${[...keys]}`));
  await apply(a, 'a.shop');
  await eventually('the other has it', () => b.current.revision === 1);
  t.same(seen, ['1: shop/a']);
  t.same(b.current.services.get('shop/a')?.record, a.current.services.get('shop/a')?.record);
  t.same(b.history(), a.history());
});

etcdTest('edits of several control planes at once: each is made once, none on an old state', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const stores = await Promise.all([0, 1, 2].map(async () => (await open(t, etcd.storeOptions())).store));
  await apply(stores[0] as ConfigStore, 'count.shop', 1);
  const add = (store: ConfigStore) =>
    store.modify(
      'shop/count',
      undefined,
      (document) => {
        const weight = document.spec.routes?.[0]?.split?.[0]?.weight ?? 0;
        return input('count.shop', { v1: weight + 1 });
      },
      { cause: cause() },
    );
  await Promise.all(Array.from({ length: 60 }, (_, i) => add(stores[i % 3] as ConfigStore)));
  await eventually('all have all', () => stores.every((store) => store.current.revision === 61));
  for (const store of stores)
    t.match(store.current.services.get('shop/count')?.service.spec.routes[0]?.split, [{ weight: 61 }]);
  const { revision } = stores[0]?.current.services.get('shop/count')?.record ?? { revision: 0 };
  const races = await Promise.allSettled(
    stores.map((store, i) =>
      store.edit({
        documents: [input('count.shop', { v1: 100 + i })],
        expected: new Map([['shop/count', revision]]),
        cause: cause(),
      }),
    ),
  );
  t.equal(races.filter(({ status }) => status === 'fulfilled').length, 1, 'one wins');
  for (const race of races)
    if (race.status === 'rejected') t.match(race.reason.message, /was expected at revision .*since then:/s);
});

etcdTest('a change that is too large for one transaction, and what it leaves behind', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const { store } = await open(t, etcd.storeOptions(), { compactMinBytes: 1000 });
  const { store: other } = await open(t, etcd.storeOptions());
  const documents = Array.from({ length: 3000 }, (_, i) =>
    input(`s${i}.bulk`, { v1: 1, v2: 1 }, { hosts: [`${'x'.repeat(60)}.${'y'.repeat(60)}.s${i}.test`] }),
  );
  await store.edit({ documents, cause: cause() });
  await eventually('the other has it', () => other.current.services.size === 3000);
  t.ok((await etcd.keys()).some((key) => key.startsWith('/roost/snapshots/')));
  t.same(
    (await etcd.keys()).filter((key) => /\/(parts|log)\//.test(key)),
    [],
    'the snapshot has it all',
  );
  await apply(store, 'a.shop');
  await eventually('and so on', () => other.current.services.size === 3001);
});

etcdTest('a watch goes on where it broke, also where etcd has compacted that away', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const { store: writer } = await open(t, etcd.storeOptions());
  const proxy = await TcpProxy.start(t, etcd.endpoints[0] as string);
  const { store: follower, log } = await open(t, { ...etcd.storeOptions(), endpoints: [proxy.address] });
  await apply(writer, 'a.shop');
  await eventually('followed', () => follower.current.revision === 1);
  proxy.cut();
  await eventually('the follower notices', () => follower.problem !== undefined);
  await apply(writer, 'b.shop');
  proxy.restore();
  await eventually('caught up', () => follower.current.revision === 2);
  proxy.cut();
  await eventually('noticed again', () => follower.problem !== undefined);
  await apply(writer, 'c.shop');
  await apply(writer, 'c.shop', 2);
  await etcd.compact();
  proxy.restore();
  await eventually('caught up after a compaction', () => follower.current.revision === 4);
  await eventually('no problem is left', () => follower.problem === undefined);
  await eventually('it says why', () =>
    log.some((line) => line.includes('etcd has compacted what came meanwhile')),
  );
  await apply(writer, 'd.shop');
  await eventually('and follows on', () => follower.current.revision === 5);
});

etcdTest('one that was away while the log was made a snapshot reads everything', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const { store: writer } = await open(t, etcd.storeOptions(), { compactMinBytes: 2000 });
  const proxy = await TcpProxy.start(t, etcd.endpoints[0] as string);
  const { store: follower } = await open(t, { ...etcd.storeOptions(), endpoints: [proxy.address] });
  await apply(writer, 'a.shop');
  await eventually('followed', () => follower.current.revision === 1);
  proxy.cut();
  for (let n = 2; n <= 30; n++) await apply(writer, 'a.shop', n);
  await etcd.compact();
  proxy.restore();
  await eventually('caught up', () => follower.current.revision === 30);
  t.same(follower.history(), writer.history());
});

etcdTest('etcd away: what is known is served, changes are refused and were not made', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const { store, log } = await open(t, etcd.storeOptions());
  await apply(store, 'a.shop');
  await etcd.kill(0);
  await t.rejects(apply(store, 'b.shop'), {
    name: 'StoreUnavailableError',
    message: /etcd does not take it \(127\.0\.0\.1:\d+: connect ECONNREFUSED/,
  });
  t.same(keysOf(store), ['shop/a']);
  await eventually('it says so', () => store.problem !== undefined);
  t.ok(log.some((line) => line.includes('serving what is known')));
  etcd.launch(0);
  await eventually('it is over', () => store.problem === undefined);
  t.equal((await apply(store, 'b.shop')).revision, 2);
});

etcdTest('an etcd that is full takes no changes, and both say so until it does again', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const { store: one } = await open(t, etcd.storeOptions());
  const { store: two } = await open(t, etcd.storeOptions());
  await apply(one, 'a.shop');
  await etcd.raiseAlarm();
  for (const store of [one, two])
    await t.rejects(apply(store, 'b.shop'), {
      name: 'StoreUnavailableError',
      message: /etcd does not take it .*database space exceeded/,
    });
  t.match([one.problem, two.problem], [/space exceeded/, /space exceeded/]);
  await etcd.clearAlarms();
  await apply(one, 'b.shop');
  t.equal(one.problem, undefined);
  await eventually('the other has seen it', () => two.problem === undefined && two.current.revision === 2);
});

etcdTest('a write whose answer is lost is found out about, and made once', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const proxy = await TcpProxy.start(t, etcd.endpoints[0] as string);
  const { store } = await open(
    t,
    { ...etcd.storeOptions(), endpoints: [proxy.address] },
    { operationMs: 5000 },
  );
  await apply(store, 'a.shop', 1);
  for (let n = 2; n <= 6; n++) {
    // The request goes through, the answer does not; then all connections break.
    proxy.swallowAnswers();
    setTimeout(() => proxy.restore(), 50);
    const { revision } = await apply(store, 'a.shop', n);
    t.equal(revision, n);
  }
  t.equal(store.history('shop/a').length, 6);
});

etcdTest('a write that nothing can be found out about is neither a success nor a failure', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const proxy = await TcpProxy.start(t, etcd.endpoints[0] as string);
  const through = { ...etcd.storeOptions(), endpoints: [proxy.address] };
  const { store } = await open(t, through, { operationMs: 1500 });
  const { store: witness } = await open(t, etcd.storeOptions());
  await apply(store, 'a.shop', 1);
  const request = cause('the-request');
  const edit = () => store.edit({ documents: [input('a.shop', { v1: 2 })], cause: request });
  // The transaction alone has this in it.
  proxy.swallowAnswersAfter('the-request');
  await t.rejects(edit(), {
    name: 'OutcomeUnknownError',
    message: /did not say what became of it/,
  });
  await eventually('in fact it was made', () => witness.current.revision === 2);
  proxy.restore();
  t.equal((await edit()).revision, 2, 'asked again under its name, it is found, not made again');
  t.equal(store.history('shop/a').length, 2);
});

etcdTest('what is gone from etcd is not gone from what is served', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const { store } = await open(t, etcd.storeOptions());
  await apply(store, 'a.shop');
  await etcd.deleteAll();
  await t.rejects(apply(store, 'b.shop'), /there is no configuration in etcd:.* any more/);
  t.same(keysOf(store), ['shop/a']);
});

etcdTest(
  'etcd is asked for a user and a certificate as it wants them, and no secret is logged',
  async (t) => {
    const etcd = await EtcdCluster.start(t);
    await etcd.admin('/v3/auth/user/add', { name: 'root', password: 'root-secret' });
    await etcd.admin('/v3/auth/role/add', { name: 'root' });
    await etcd.admin('/v3/auth/user/grant', { user: 'root', role: 'root' });
    await etcd.admin('/v3/auth/user/add', { name: 'roost', password: 'roost-secret' });
    await etcd.admin('/v3/auth/role/add', { name: 'roost' });
    await etcd.admin('/v3/auth/role/grant', {
      name: 'roost',
      perm: { permType: 'READWRITE', key: base64('/roost/'), range_end: base64('/roost0') },
    });
    await etcd.admin('/v3/auth/user/grant', { user: 'roost', role: 'roost' });
    await etcd.admin('/v3/auth/enable', {});
    const as = (password: string) => ({
      ...etcd.storeOptions(),
      user: { name: 'roost', password: () => password },
    });
    const { store, log } = await open(t, as('roost-secret'));
    await apply(store, 'a.shop');
    t.equal(store.current.revision, 1);
    await t.rejects(open(t, as('wrong')), /cannot be used: .*authentication failed/);
    await t.rejects(open(t, etcd.storeOptions()), /cannot be used: .*user name is empty/);
    await t.rejects(
      open(t, { ...as('roost-secret'), prefix: '/elsewhere' }),
      /cannot be used: .*permission denied/,
    );
    t.notMatch(log.join(''), /roost-secret/);
    t.notMatch(store.name, /roost-secret|roost@/);
  },
);

etcdTest('over TLS, with a certificate to show', async (t) => {
  if (OPENSSL.skip !== false) return void t.comment(`skipped: ${OPENSSL.skip}`);
  const folder = await temporaryFolder(t);
  const authority = await TestAuthority.create(folder);
  const [server, client] = [await authority.issue('server'), await authority.issue('client')];
  const ca = authority.files.cert;
  const tls = ['--cert-file', server.cert, '--key-file', server.key];
  const etcd = await EtcdCluster.start(t, {
    args: [...tls, '--client-cert-auth', '--trusted-ca-file', ca],
  });
  const secured = (security: EtcdOptions['security']) => ({ ...etcd.storeOptions(), security });
  const { store } = await open(t, secured({ ca, clientCert: client.cert, clientKey: client.key }));
  await apply(store, 'a.shop');
  t.equal(store.current.revision, 1);
  const short = { startMs: 500, operationMs: 500 };
  await t.rejects(open(t, secured({ ca, clientCert: '', clientKey: '' }), short), /cannot be used: /);
  await t.rejects(open(t, etcd.storeOptions(), short), /cannot be used: /);
});

etcdTest('two meshes in one etcd do not see each other', async (t) => {
  const etcd = await EtcdCluster.start(t);
  const { store: one } = await open(t, etcd.storeOptions('/one'));
  const { store: two } = await open(t, etcd.storeOptions('/two'));
  await apply(one, 'a.shop');
  await apply(two, 'b.shop');
  await wait(100);
  t.same([keysOf(one), keysOf(two)], [['shop/a'], ['shop/b']]);
  t.notSame(one.current.pinSecret, two.current.pinSecret);
  t.equal(emptyState(one.current.pinSecret).revision, 0);
});

etcdTest('three members: the leader dies, is frozen, comes back; nothing acknowledged is lost', async (t) => {
  const etcd = await EtcdCluster.start(t, { members: 3 });
  const { store } = await open(t, etcd.storeOptions(), { operationMs: 10_000 });
  const { store: other } = await open(t, etcd.storeOptions(), { operationMs: 10_000 });
  let acknowledged = 0;
  const write = async () => {
    await apply(store, 'a.shop', ++acknowledged);
  };
  await write();
  const first = (await etcd.leader()) as number;
  await etcd.kill(first);
  await write();
  etcd.launch(first);
  await etcd.ready();
  const second = (await etcd.leader()) as number;
  etcd.freeze(second);
  await write();
  etcd.thaw(second);
  await write();
  await eventually('the other follows', () => other.current.revision === acknowledged);
  t.match(other.current.services.get('shop/a')?.service.spec.routes[0]?.split, [{ weight: acknowledged }]);
});
