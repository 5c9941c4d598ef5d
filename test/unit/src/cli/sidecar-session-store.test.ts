import t from 'tap';
import {
  SESSION_STORE_FLAGS,
  sessionStoreOf,
  sessionStoreProblems,
  sessionStoreUrl,
  showsPassword,
} from '../../../../src/cli/commands/sidecar-session-store.js';

const at = { isCluster: false, usesTls: false, database: 0, user: '', password: '' };

t.test('reads the URL of a session store', async (t) => {
  const hosts = [{ host: '10.0.0.7', port: 6379 }];
  const cases = {
    'redis://10.0.0.7': { ...at, hosts },
    'redis://10.0.0.7:7000/3': { ...at, hosts: [{ host: '10.0.0.7', port: 7000 }], database: 3 },
    'rediss://[::1]:7000/': { ...at, hosts: [{ host: '::1', port: 7000 }], usesTls: true },
    'redis://u:p%40ss:w@10.0.0.7': { ...at, hosts, user: 'u', password: 'p@ss:w' },
    'redis://:secret@10.0.0.7/0': { ...at, hosts, password: 'secret' },
    'redis://u@10.0.0.7': { ...at, hosts, user: 'u' },
    'rediss+cluster://a.example,b:7001': {
      ...at,
      hosts: [
        { host: 'a.example', port: 6379 },
        { host: 'b', port: 7001 },
      ],
      isCluster: true,
      usesTls: true,
    },
  };
  for (const [url, wanted] of Object.entries(cases)) t.strictSame(sessionStoreUrl(url), wanted, url);
});

t.test('refuses a URL that leads nowhere, and says what to write', async (t) => {
  const wrong: Record<string, RegExp> = {
    '': /must begin with redis:/,
    'http://10.0.0.7': /must begin with redis:/,
    'redis:10.0.0.7': /must begin with redis:/,
    'redis://': /must name HOST:PORT/,
    'redis://10.0.0.7:99999': /must name HOST:PORT/,
    'redis://a:1,b:2': /write redis\+cluster/,
    'redis://a:1/x': /number of a database/,
    'redis://a:1?db=1': /number of a database/,
    'redis+cluster://a:1/2': /a cluster has only 0/,
    'redis://u:%zz@a': /written as %25/,
  };
  for (const [url, message] of Object.entries(wrong)) t.throws(() => sessionStoreUrl(url), message, url);
});

t.test('a message never shows a password', async (t) => {
  const { show } = SESSION_STORE_FLAGS.sessionStore;
  t.equal(show('redis://user:secret@10.0.0.7:x'), 'redis://…@10.0.0.7:x');
  t.equal(show('http//user:se@cret@host'), '…@host');
  t.equal(show('redis://10.0.0.7'), 'redis://10.0.0.7');
  t.ok(showsPassword(['node', 'roost', '--session-store=redis://u:secret@host']));
  t.notOk(showsPassword(['--session-store', 'redis://u@host', '--resolve', 'a:1=b:2']));
});

t.test('the timeout is a duration, or milliseconds', async (t) => {
  const { parse, default: wanted } = SESSION_STORE_FLAGS.sessionStoreTimeout;
  t.strictSame([parse(wanted), parse('50ms'), parse('7'), parse('1s')], [20, 50, 7, 1000]);
  for (const wrong of ['0', '-1', 'soon', '11s', '']) t.throws(() => parse(wrong), wrong);
});

const NONE = {
  sessionStore: undefined,
  sessionStoreTimeout: 20,
  sessionStoreCa: 'system',
  sessionStoreCert: '',
  sessionStoreKey: '',
  sessionStoreUser: '',
  sessionStorePasswordFile: '',
};

t.test('flags that do not go together are told, all of them', async (t) => {
  const [plain, tls] = [sessionStoreUrl('redis://a'), sessionStoreUrl('rediss://a')];
  const problemsOf = (flags: object, env = {}) => sessionStoreProblems({ ...NONE, ...flags }, env);
  t.strictSame(problemsOf({}), []);
  t.match(problemsOf({ sessionStoreUser: 'u' }), [/need --session-store/]);
  t.match(problemsOf({ sessionStore: tls, sessionStoreCert: 'c' }), [/go together/]);
  t.match(problemsOf({ sessionStore: plain, sessionStoreCa: 'ca.pem' }), [/write rediss:/]);
  t.match(problemsOf({ sessionStore: sessionStoreUrl('redis://u:p@a'), sessionStoreUser: 'v' }), [
    /user already/,
  ]);
  t.match(problemsOf({ sessionStore: plain, sessionStoreUser: 'u' }), [/has no password/]);
  t.strictSame(problemsOf({ sessionStore: plain, sessionStoreUser: 'u', sessionStorePasswordFile: 'f' }), []);
  const env = { ROOST_SESSION_STORE_PASSWORD: 'p' };
  t.strictSame(problemsOf({ sessionStore: plain, sessionStoreUser: 'u' }, env), []);
  t.match(problemsOf({ sessionStore: sessionStoreUrl('redis://u:p@a') }, env), [/password already/]);
  t.equal(problemsOf({ sessionStore: plain, sessionStoreKey: 'k', sessionStoreUser: 'u' }).length, 3);
});

t.test('flags become the options of the sidecar', async (t) => {
  t.equal(sessionStoreOf(NONE, {}), undefined);
  const flags = {
    ...NONE,
    sessionStore: sessionStoreUrl('rediss+cluster://u@a:1,b:2'),
    sessionStoreCa: 'ca.pem',
  };
  t.strictSame(sessionStoreOf(flags, { ROOST_SESSION_STORE_PASSWORD: 'secret\n' }), {
    hosts: [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ],
    isCluster: true,
    database: 0,
    tls: { ca: 'ca.pem', cert: '', key: '' },
    user: 'u',
    password: 'secret',
    passwordFile: '',
    timeoutMs: 20,
  });
  t.equal(sessionStoreOf({ ...NONE, sessionStore: sessionStoreUrl('redis://a') }, {})?.tls, undefined);
});
