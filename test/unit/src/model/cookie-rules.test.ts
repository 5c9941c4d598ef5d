import t from 'tap';
import { applyProblems } from '../../../../src/model/apply-rules.js';
import { cookieNotes } from '../../../../src/model/cookie-rules.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { formatProblem } from '../../../../src/model/problems.js';

function documentWith(cookie: object | string, spec: object = {}) {
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 80,
      hosts: ['checkout.shop.example'],
      versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }],
      affinity: { key: [{ header: 'x-user-id' }, { cookie }] },
      ...spec,
    },
  };
}

const AT = 'spec.affinity.key[1].cookie';
const problemsWith = (cookie: object | string) => {
  const document = documentWith(cookie);
  parseMeshService(document);
  return applyProblems(document).map((problem) => formatProblem(problem).replace(`${AT}.`, ''));
};
const notesOn = (cookie: object) =>
  cookieNotes(documentWith(cookie)).map((note) => formatProblem(note).replace(`${AT}.`, ''));

t.test('SameSite=None goes with Secure, which "auto" is not (RFC 6265bis section 5.7)', async (t) => {
  const none = { name: 'sid', sameSite: 'None' };
  t.same(problemsWith({ ...none, secure: true }), []);
  t.match(problemsWith({ ...none, secure: false }), [/^sameSite: None needs "secure: true": browsers drop/]);
  for (const cookie of [none, { ...none, secure: 'auto' }])
    t.match(problemsWith(cookie), [/^sameSite: None needs "secure: true" \("auto" is none here/]);
  for (const sameSite of ['Lax', 'Strict']) t.same(problemsWith({ ...none, sameSite }), []);
});

t.test('a prefix of a name keeps its promise, in any case (RFC 6265bis section 4.1.3)', async (t) => {
  const secure = { secure: true };
  for (const cookie of [
    { name: '__Secure-sid', ...secure, path: '/shop', domain: 'shop.example' },
    { name: '__Host-sid', ...secure },
    { name: '__Http-sid', ...secure, path: '/shop' },
    { name: '__Host-Http-sid', ...secure },
    { name: '_Host-sid' },
  ])
    t.same(problemsWith(cookie), [], cookie.name);
  for (const [cookie, wants] of [
    ['__Host-sid', 'secure: true'],
    ['__secure-sid', 'secure: true'],
    [{ name: '__Secure-sid', secure: false }, 'secure: true'],
    [{ name: '__HOST-sid', ...secure, path: '/shop' }, 'path: /'],
    [{ name: '__Host-sid', ...secure, domain: 'shop.example' }, 'no domain'],
    [{ name: '__Host-sid', path: '/a', domain: 'shop.example' }, 'secure: true, path: /, no domain'],
    [{ name: '__Http-sid', ...secure, httpOnly: false }, 'httpOnly: true'],
    [{ name: '__Host-Http-sid', ...secure, httpOnly: false, path: '/a' }, 'httpOnly: true, path: /'],
  ] as const)
    t.match(problemsWith(cookie), [new RegExp(`^name: "__.*" needs ${wants}: browsers drop`)], wants);
  t.same(problemsWith({ name: '__Host-sid', mint: false }), [], 'the app sets it');
});

t.test('a domain is one that browsers keep cookies for', async (t) => {
  for (const domain of ['shop.example', 'a.co.uk', 'me.github.io', 'shop.svc.cluster.local'])
    t.same(problemsWith({ name: 'sid', domain }), [], domain);
  for (const domain of ['com', 'localhost', 'internal', 'co.uk', 'com.au', 'github.io', 'pages.dev'])
    t.match(problemsWith({ name: 'sid', domain }), [/^domain: ".*" is a suffix that many share/], domain);
  t.match(problemsWith({ name: 'sid', domain: '10.0.0.1' }), [/^domain: "10\.0\.0\.1" is an address/]);
});

t.test('a cookie is as long as browsers keep them', async (t) => {
  t.same(problemsWith({ name: 'n'.repeat(3900) }), []);
  t.match(problemsWith({ name: 'n'.repeat(4050) }), [/^name: is longer than \d+ characters: browsers drop/]);
  t.match(problemsWith({ name: 'sid', path: `/${'p'.repeat(1024)}` }), [/^path: is longer than 1024/]);
});

t.test('a path that no URL has and a key that no baggage has are refused', async (t) => {
  for (const path of ['/a?b', '/a#b', '/a b'])
    t.match(problemsWith({ name: 'sid', path }), [/^path: ".*" has a ".", which no path of a URL has/], path);
  const withBaggage = (baggage: string) => {
    const document = documentWith('sid', { affinity: { key: [{ baggage }] } });
    parseMeshService(document);
    return applyProblems(document).map(({ message }) => message);
  };
  t.same(withBaggage('user-id'), []);
  for (const key of ['user id', 'a=b', 'ü']) t.match(withBaggage(key), [/is not a key of a baggage member/]);
});

t.test('what may be meant is noted and no problem', async (t) => {
  t.same(notesOn({ name: 'sid', ttl: '9600h', domain: 'shop.example' }), []);
  t.same(notesOn({ name: 'sid', domain: 'cluster.local' }), []);
  t.match(notesOn({ name: 'sid', ttl: '9601h' }), [/^ttl: is more than 400 days/]);
  t.match(notesOn({ name: 'sid', domain: 'other.example' }), [
    /^domain: "other\.example" covers none of the service's hosts \(checkout\.shop\.example, checkout\.shop\.svc/,
  ]);
  t.match(notesOn({ name: 'sid', domain: 'hop.example' }), [/covers none/]);
  t.same(problemsWith({ name: 'sid', ttl: '9601h', domain: 'other.example' }), []);
});

t.test('a condition that no request can meet is refused', async (t) => {
  const of = (match: object) => {
    const routes = [{ name: 'r', match: [match], split: [{ version: 'v1', weight: 1 }] }];
    const document = documentWith('sid', { routes });
    parseMeshService(document);
    return applyProblems(document).map((problem) => formatProblem(problem));
  };
  t.same(of({ path: { exact: '/über' }, query: [{ name: 'ä', exact: 'ö' }] }), []);
  t.same(of({ headers: [{ name: 'x-a', regex: 'ü+' }], cookies: [{ name: 'c', regex: '[äö]' }] }), []);
  t.match(of({ path: { prefix: '/a?b' } }), [/match\[0\]\.path\.prefix: has a "\?", which no path has/]);
  t.match(of({ path: { regex: '/über.*' } }), [/path\.regex: has "ü".*write %C3%BC/]);
  t.match(of({ query: [{ name: 'q', regex: '.*東京' }] }), [/query\[0\]\.regex: has "東京"/]);
});
