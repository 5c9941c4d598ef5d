import t from 'tap';
import { combineHashes, xxh64 } from '../../../../src/hashing/xxh64.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import { formatSetCookie } from '../../../../src/routing/session-cookie.js';
import { SessionKeys } from '../../../../src/routing/session-key.js';
import type { Message } from '../../../../src/xds/descriptors.js';
import { Problems } from '../../../../src/xds/fields.js';
import { type CookieConfig, type HashPolicyConfig, readHashPolicy } from '../../../../src/xds/hash-policy.js';

type Headers = readonly (readonly [string, string])[];

const MINTED = 'm'.repeat(22);
const KEY = 'k'.repeat(22);
const COOKIE: CookieConfig = {
  name: 'sid',
  path: '/',
  domain: '',
  ttlMs: 0,
  sameSite: 'Lax',
  secure: 'auto',
  httpOnly: true,
  mint: true,
  opaque: false,
};

const terminal = (source: HashPolicyConfig['source']): HashPolicyConfig => ({ source, terminal: true });

/** Hash of the session that a request belongs to. */
function hashOf(
  policies: readonly HashPolicyConfig[],
  request: { headers?: Headers; path?: string },
  seed = 0n,
) {
  return new SessionKeys(policies, seed, () => MINTED).find(
    plainRequest({ sourceIp: '10.1.2.3', ...request }),
  )?.hash;
}

t.test('S3: every source of a key, the first that is there', async (t) => {
  const all = [
    terminal({ kind: 'header', name: 'x-user-id' }),
    terminal({ kind: 'query', name: 'user' }),
    terminal({ kind: 'baggage', name: 'user' }),
    terminal({ kind: 'cookie', cookie: { ...COOKIE, mint: false } }),
    terminal({ kind: 'source-ip' }),
  ];
  const everything = {
    path: '/buy?x=1&user=by-query&user=second',
    headers: [
      ['x-user-id', 'by-header'],
      ['baggage', 'a=b,user=by-baggage;p=1'],
      ['cookie', `a=b; sid=${KEY}`],
    ] as Headers,
  };
  const expected = ['by-header', 'by-query', 'by-baggage', KEY, '10.1.2.3'];
  expected.forEach((key, first) => {
    t.equal(hashOf(all.slice(first), everything), xxh64(key), key);
  });
  const empty = { path: '/?user=', headers: [['x-user-id', '']] as Headers };
  t.equal(hashOf(all, empty), xxh64('10.1.2.3'), 'an empty value counts as absent');
});

t.test('S3: a cookie is minted where none of the sources is there, and not before', async (t) => {
  const keys = new SessionKeys(
    [terminal({ kind: 'cookie', cookie: COOKIE }), terminal({ kind: 'header', name: 'x-user-id' })],
    0n,
    () => MINTED,
  );
  const minted = keys.find(plainRequest({}));
  t.match(minted, { hash: xxh64(MINTED), cookie: { key: MINTED, minted: true, pin: undefined } });
  t.match(keys.find(plainRequest({ headers: [['x-user-id', 'u']] })), {
    hash: xxh64('u'),
    cookie: undefined,
  });
  t.match(keys.find(plainRequest({ headers: [['cookie', `sid=${KEY}`]] })), { cookie: { minted: false } });
  t.match(keys.find(plainRequest({ headers: [['cookie', 'sid=made up']] })), { cookie: { minted: true } });
});

t.test('S4.4: a salt draws other hashes from the same keys', async (t) => {
  const policies = [terminal({ kind: 'header', name: 'x-user-id' })];
  const request = { headers: [['x-user-id', 'u']] as Headers };
  t.equal(hashOf(policies, request, xxh64('pepper')), xxh64('u', xxh64('pepper')));
  t.not(hashOf(policies, request, xxh64('pepper')), hashOf(policies, request));
});

t.test('S7: the attributes of a cookie', async (t) => {
  const write = (cookie: Partial<CookieConfig>, overTls = false) =>
    formatSetCookie({ ...COOKIE, ...cookie }, { key: KEY, pin: undefined }, overTls).replace(
      `sid=${KEY}`,
      '',
    );
  t.equal(write({}), '; Path=/; SameSite=Lax; HttpOnly');
  t.equal(write({}, true), '; Path=/; SameSite=Lax; Secure; HttpOnly', 'secure: auto, over TLS');
  t.equal(write({ secure: 'always' }), '; Path=/; SameSite=Lax; Secure; HttpOnly');
  t.equal(write({ secure: 'never' }, true), '; Path=/; SameSite=Lax; HttpOnly');
  t.equal(write({ ttlMs: 90_000 }), '; Path=/; Max-Age=90; SameSite=Lax; HttpOnly');
  t.equal(
    write({ path: '/buy', domain: 'shop.example', sameSite: 'Strict', httpOnly: false }),
    '; Path=/buy; Domain=shop.example; SameSite=Strict',
  );
});

/** Envoy's `hash_policy`, read as it comes in a route. */
function policiesOf(...raw: Message[]): HashPolicyConfig[] {
  const problems = new Problems();
  const read = raw.flatMap((policy, i) => readHashPolicy(policy, `hash_policy[${i}]`, problems) ?? []);
  problems.throwIfAny('test');
  return read;
}

t.test("Envoy's hash policies: every source it has, as it hashes them", async (t) => {
  const header = { header: { headerName: 'X-User-Id' } };
  t.equal(hashOf(policiesOf(header), { headers: [['x-user-id', 'u']] }), xxh64('u'));
  t.equal(
    hashOf(policiesOf({ queryParameter: { name: 'user' } }), { path: '/?user=u&user=v' }),
    xxh64('u'),
    'query_parameter: the first value',
  );
  t.equal(
    hashOf(policiesOf({ connectionProperties: { sourceIp: true } }), {}),
    xxh64('10.1.2.3'),
    'source_ip: the address without its port',
  );
  const cookie = { cookie: { name: 'sid' } };
  t.equal(
    hashOf(policiesOf(cookie), { headers: [['cookie', 'sid="any value"']] }),
    xxh64('any value'),
    'cookie: any value, quotes dropped',
  );
  t.equal(hashOf(policiesOf(cookie), {}), undefined, 'without a ttl none is made');
  t.equal(hashOf(policiesOf({ filterState: { key: 'io.grpc.channel_id' } }, header), {}), undefined);
});

t.test("Envoy's hash policies combine, until a terminal one ends the list", async (t) => {
  const header = { header: { headerName: 'x-user-id' } };
  const query = { queryParameter: { name: 'user' } };
  const both = { headers: [['x-user-id', 'foo']] as Headers, path: '/?user=bar' };
  t.equal(hashOf(policiesOf(header, query), both), combineHashes(xxh64('foo'), xxh64('bar')));
  t.equal(hashOf(policiesOf(header, query), both), 3449051153737634343n, "Envoy's own answer");
  t.equal(hashOf(policiesOf({ ...header, terminal: true }, query), both), xxh64('foo'));
  t.equal(
    hashOf(policiesOf({ ...header, terminal: true }, query), { path: '/?user=bar' }),
    xxh64('bar'),
    'a terminal policy without a value ends nothing',
  );
  t.equal(hashOf(policiesOf(header, { ...query, terminal: true }), {}), undefined);
});

t.test('a cookie policy with a ttl makes a cookie, with the attributes that it lists', async (t) => {
  const attributes = [
    { name: 'SameSite', value: 'Strict' },
    { name: 'Secure', value: '' },
  ];
  const cookie = { name: 'sid', path: '/buy', ttl: { seconds: 60, nanos: 0 }, attributes };
  const found = new SessionKeys(policiesOf({ cookie }), 0n, () => MINTED).find(plainRequest({}));
  t.ok(found?.cookie?.minted);
  t.equal(
    formatSetCookie(found?.cookie?.config as CookieConfig, { key: MINTED, pin: undefined }, false),
    `sid=${MINTED}; Path=/buy; Max-Age=60; SameSite=Strict; Secure; HttpOnly`,
  );
});

t.test('regex_rewrite: the part of a header that a pattern picks is the key', async (t) => {
  const regexRewrite = { pattern: { regex: '^user/([0-9]+)/.*$' }, substitution: '\\1' };
  const policies = policiesOf({ header: { headerName: 'x-user-id', regexRewrite } });
  t.equal(hashOf(policies, { headers: [['x-user-id', 'user/17/anything']] }), xxh64('17'));
  t.equal(hashOf(policies, { headers: [['x-user-id', 'guest']] }), xxh64('guest'), 'no match: as it is');
  const broken = { header: { headerName: 'a', regexRewrite: { pattern: { regex: '(' } } } };
  t.throws(() => policiesOf(broken), /hash_policy\[0\]\.header\.regex_rewrite\.pattern: is not an RE2/);
});
