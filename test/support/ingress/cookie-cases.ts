import type { Test } from 'tap';
import { COOKIE, THREE } from './affinity-cases.js';
import { ingress } from './manifests.js';
import { attributesOf, type CaseAnswer, cookieOf, type IngressCase } from './world.js';

/** Cases of the cookie: when it is set, and with which attributes. */

/** A case about the cookie that a first call gets. */
function setsCookie(
  id: string,
  given: string,
  annotations: Readonly<Record<string, string>>,
  rest: Pick<IngressCase, 'there' | 'here'> & { check(t: Test, answer: CaseAnswer): void },
): IngressCase {
  const { check, ...answers } = rest;
  return {
    id,
    given,
    ...answers,
    async run(world, t) {
      await world.apply([ingress('p', { annotations: { ...COOKIE, ...annotations } })], THREE);
      check(t, await world.call());
    },
  };
}

const ONE_SESSION =
  'one session for the whole service (S3): two cookies would be two sessions, and could be on two releases';
export const COOKIE_CASES: readonly IngressCase[] = [
  setsCookie(
    '52',
    'affinity; no cookie',
    {},
    {
      there: 'Set-Cookie, HttpOnly',
      check(t, answer) {
        t.match(answer.setCookie, /^SERVERID=/);
        t.ok(attributesOf(answer).has('httponly'));
      },
    },
  ),
  {
    id: '53',
    given: 'affinity; the cookie it set',
    there: 'the same pod, no Set-Cookie',
    async run(world, t) {
      await world.apply([ingress('p', { annotations: COOKIE })], THREE);
      const first = await world.call();
      for (let n = 0; n < 20; n++)
        t.match(await world.call({ cookie: cookieOf(first) }), { pod: first.pod, setCookie: undefined });
    },
  },
  {
    id: '54',
    given: 'the cookie is renamed by an edit',
    there: 'the new name',
    async run(world, t) {
      await world.apply([ingress('p', { annotations: COOKIE })], THREE);
      const before = cookieOf(await world.call());
      await world.apply(
        [ingress('p', { annotations: { ...COOKIE, 'session-cookie-name': 'OTHER' } })],
        THREE,
      );
      t.match((await world.call({ cookie: before })).setCookie, /^OTHER=/);
      await world.apply([ingress('p', { annotations: { affinity: 'cookie' } })], THREE);
      t.match((await world.call()).setCookie, /^INGRESSCOOKIE=/, 'without a name');
    },
  },
  {
    id: '55',
    given: 'affinity on the path /something',
    there: 'Path=/something',
    async run(world, t) {
      await world.apply([ingress('p', { annotations: COOKIE, rules: [{ path: '/something' }] })], THREE);
      t.equal(attributesOf(await world.call({ path: '/something/x' })).get('path'), '/something');
    },
  },
  {
    id: '56',
    given: 'affinity on two paths of one backend, /shop/one and /shop/two',
    there: 'each answer the Path of its own',
    here: { answer: 'Path=/shop, which both share', why: ONE_SESSION },
    async run(world, t) {
      const rules = [{ path: '/shop/one' }, { path: '/shop/two' }];
      await world.apply([ingress('p', { annotations: COOKIE, rules })], THREE);
      for (const { path } of rules) t.equal(attributesOf(await world.call({ path })).get('path'), '/shop');
    },
  },
  setsCookie(
    '57',
    'expires 172800, max-age 259200',
    { 'session-cookie-expires': '172800', 'session-cookie-max-age': '259200' },
    {
      there: 'Expires and Max-Age',
      here: {
        answer: 'Max-Age=259200 alone',
        why: 'of the two, every client obeys Max-Age (RFC 6265 section 5.3)',
      },
      check(t, answer) {
        t.equal(attributesOf(answer).get('max-age'), '259200');
        t.notOk(attributesOf(answer).has('expires'));
      },
    },
  ),
  {
    id: '58',
    given: 'a cookie domain, and none',
    there: 'Domain, and none',
    async run(world, t) {
      const annotations = { ...COOKIE, 'session-cookie-domain': 'foo.example' };
      await world.apply([ingress('p', { annotations })], THREE);
      t.equal(attributesOf(await world.call()).get('domain'), 'foo.example');
      await world.apply([ingress('p', { annotations: COOKIE })], THREE);
      t.notOk(attributesOf(await world.call()).has('domain'));
    },
  },
  {
    id: '59',
    given: 'paths that are regular expressions, with a cookie path and without',
    there: 'that Path; a warning in the log, and the expression as Path',
    here: {
      answer: 'that Path; Path=/',
      why: 'with a path that clients never match, every call would be a new session',
    },
    async run(world, t) {
      const annotations = { ...COOKIE, 'use-regex': 'true' };
      const rules = [{ path: '/foo/.*', pathType: 'ImplementationSpecific' }];
      const withPath = { ...annotations, 'session-cookie-path': '/foo' };
      await world.apply([ingress('p', { annotations: withPath, rules })], THREE);
      t.equal(attributesOf(await world.call({ path: '/Foo/bar' })).get('path'), '/foo');
      await world.apply([ingress('p', { annotations, rules })], THREE);
      t.equal(attributesOf(await world.call({ path: '/foo/bar' })).get('path'), '/');
    },
  },
  {
    id: '60',
    given: "affinity on one of two Ingresses of a backend; the other's path",
    there: 'no cookie',
    here: { answer: "the service's cookie", why: ONE_SESSION },
    async run(world, t) {
      const sticky = ingress('p', { name: 'one', annotations: COOKIE, rules: [{ path: '/foo/bar' }] });
      const plain = ingress('p', { name: 'two', rules: [{ path: '/foo' }] });
      await world.apply([sticky, plain], THREE);
      const answer = await world.call({ path: '/foo' });
      t.equal(attributesOf(answer).get('path'), '/foo');
    },
  },
  {
    id: '61',
    given: 'affinity without a host; with aliases; with a wildcard host',
    there: 'a cookie each time',
    async run(world, t) {
      const annotations = { ...COOKIE, 'server-alias': 'alias-one.example, alias-two.example' };
      await world.apply([ingress('p', { annotations: COOKIE, host: '' })], THREE);
      t.match((await world.call()).setCookie, /^SERVERID=/);
      await world.apply([ingress('p', { annotations, host: 'named.example' })], THREE);
      for (const host of ['named.example', 'alias-one.example', 'alias-two.example'])
        t.match((await world.call({ host })).setCookie, /^SERVERID=/, host);
      await world.apply([ingress('p', { annotations: COOKIE, host: '*.wild.example' })], THREE);
      t.match(
        (await world.call()).setCookie,
        /^SERVERID=/,
        "by the service's name: it has no wildcard hosts",
      );
    },
  },
  {
    id: '62',
    given: 'secure: true over HTTP; false over HTTP; false over HTTPS',
    there: 'Secure; none; Secure',
    here: {
      answer: 'Secure; none; none',
      why: 'an app calls its sidecar without TLS, so no call comes over HTTPS',
    },
    async run(world, t) {
      for (const [value, expected] of [
        ['true', true],
        ['false', false],
      ] as const) {
        await world.apply(
          [ingress('p', { annotations: { ...COOKIE, 'session-cookie-secure': value } })],
          THREE,
        );
        t.equal(attributesOf(await world.call()).has('secure'), expected);
      }
      t.notOk(attributesOf(await world.call({ headers: { 'x-forwarded-proto': 'https' } })).has('secure'));
    },
  },
  {
    id: '63',
    given: 'SameSite Lax, Strict, None; conditional None for Chrome 51',
    there: 'the same; none for Chrome 51',
    here: { answer: 'the same; None for Chrome 51 too', why: 'callers in a mesh are not browsers of 2019' },
    async run(world, t) {
      for (const value of ['Lax', 'Strict', 'None']) {
        const annotations = {
          ...COOKIE,
          'session-cookie-samesite': value,
          'session-cookie-conditional-samesite-none': 'true',
        };
        await world.apply([ingress('p', { annotations })], THREE);
        const headers = { 'user-agent': 'Mozilla/5.0 (X11) Chrome/51.0.2704.103 Safari/537.36' };
        t.equal(attributesOf(await world.call({ headers })).get('samesite'), value);
      }
    },
  },
];
