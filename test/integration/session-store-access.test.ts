import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSessionStore } from '../../sidecar/session/store/open-session-store.js';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { sharedSession } from '../support/fake-store.js';
import { temporaryFolder } from '../support/folder.js';
import { eventually } from '../support/processes.js';
import { ACL_RULES, openStore, REDIS, RedisServer } from '../support/redis.js';

t.test(
  'a user with no more than the rights that the manual names can do all of it',
  { skip: REDIS.skip },
  async (t) => {
    const redis = await RedisServer.start(t, { args: ['--requirepass', 'operator'], password: 'operator' });
    await redis.ask('ACL', 'SETUSER', 'roost', 'on', '>s3cret', ...ACL_RULES.split(' '));
    const { store, find, write, flushed, log } = await openStore(t, {
      ...redis.storeOptions,
      user: 'roost',
      password: 's3cret',
    });
    write(sharedSession(1n), sharedSession(2n));
    await flushed();
    write(sharedSession(2n, { generation: 1 }));
    await flushed();
    t.strictSame(await find(1n), sharedSession(1n));
    t.strictSame(await find(2n), sharedSession(2n, { generation: 1 }));
    t.strictSame([store.counts.errors, log], [0, []]);
  },
);

t.test(
  'a password that is refused is told once and never shown; a new one in its file is used',
  { skip: REDIS.skip },
  async (t) => {
    const redis = await RedisServer.start(t, { args: ['--requirepass', 's3cret'], password: 's3cret' });
    const passwordFile = join(await temporaryFolder(t), 'password');
    await writeFile(passwordFile, 'wr0ng\n');
    const { store, find, write, flushed, log } = await openStore(t, { ...redis.storeOptions, passwordFile });
    t.equal(await find(1n), undefined);
    write(sharedSession(1n));
    t.match(log, [{ fields: { failed: 'connection', cause: /^WRONGPASS/ } }]);
    await writeFile(passwordFile, 's3cret\n');
    await flushed();
    t.strictSame(await find(1n), sharedSession(1n));
    t.equal(log.length, 2);
    t.notMatch(JSON.stringify(log), /wr0ng|s3cret/);
    t.equal(store.brokenSinceMs, undefined);
  },
);

t.test('without a password, where one is asked for, requests go on', { skip: REDIS.skip }, async (t) => {
  const redis = await RedisServer.start(t, { args: ['--requirepass', 's3cret'], password: 's3cret' });
  const { store, find, log } = await openStore(t, redis.storeOptions);
  while (store.brokenSinceMs === undefined) t.equal(await find(1n), undefined);
  t.match(log, [{ fields: { failed: 'lookups', cause: /^NOAUTH/ } }]);
  await redis.ask('CONFIG', 'SET', 'requirepass', '');
  await eventually('it is asked again', () => store.brokenSinceMs === undefined);
});

const needsTls = REDIS.skip || OPENSSL.skip;

/** A Redis that wants certificates of this authority. */
async function startTls(t: Test) {
  const folder = await temporaryFolder(t);
  const authority = await TestAuthority.create(folder);
  const server = await authority.issue('server');
  const client = await authority.issue('client');
  const files = ['--tls-cert-file', server.cert, '--tls-key-file', server.key];
  const redis = await RedisServer.start(t, {
    usesTls: true,
    args: [...files, '--tls-ca-cert-file', authority.files.cert],
  });
  return { folder, authority, client, redis };
}

t.test('over TLS, with certificates of both', { skip: needsTls }, async (t) => {
  const { authority, client, redis } = await startTls(t);
  const tls = { ca: authority.files.cert, cert: client.cert, key: client.key };
  const { find, write, flushed, log } = await openStore(t, { ...redis.storeOptions, tls });
  write(sharedSession(1n));
  await flushed();
  t.strictSame(await find(1n), sharedSession(1n));
  t.strictSame(log, []);
});

t.test(
  'TLS that is refused, by either: requests go on, and it is told why',
  { skip: needsTls },
  async (t) => {
    const { folder, authority, client, redis } = await startTls(t);
    const other = await TestAuthority.create(folder, 'other');
    const ours = { ca: authority.files.cert, cert: client.cert, key: client.key };
    const cases = [
      [
        'an authority that did not sign it',
        { ...ours, ca: other.files.cert },
        /signature|certificate|unable to verify/i,
      ],
      ['no certificate to show', { ...ours, cert: '', key: '' }, /./],
      ['plain text', undefined, /./],
    ] as const;
    for (const [what, tls, cause] of cases) {
      const { find, log } = await openStore(t, { ...redis.storeOptions, tls });
      await eventually('it is told', () => log.length > 0);
      t.equal(await find(1n), undefined, what);
      t.match(log[0], { fields: { failed: 'connection', cause } }, what);
      t.equal(log.length, 1, what);
    }
  },
);

t.test('a file that cannot be read is told before anything is dialled', { skip: REDIS.skip }, async (t) => {
  const redis = await RedisServer.prepare(t);
  const open = (options: object) =>
    openSessionStore({ ...redis.storeOptions, ...options }, { info() {}, warn() {} } as never, {
      onConflict() {},
    });
  t.throws(() => open({ passwordFile: '/nowhere' }), /--session-store-password-file cannot be read/);
  const empty = join(await temporaryFolder(t), 'empty');
  await writeFile(empty, '\n');
  t.throws(() => open({ passwordFile: empty }), /empty is empty/);
  t.throws(() => open({ tls: { ca: '/nowhere', cert: '', key: '' } }), /--session-store-ca cannot be read/);
  const junk = join(await temporaryFolder(t), 'junk.pem');
  await writeFile(junk, 'junk');
  t.throws(() => open({ tls: { ca: 'system', cert: junk, key: junk } }), /junk\.pem/);
});
