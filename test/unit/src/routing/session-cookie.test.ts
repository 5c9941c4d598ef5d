import fc from 'fast-check';
import t from 'tap';
import { formatSessionCookie, parseSessionCookie } from '../../../../src/routing/pins.js';
import {
  formatSetCookie,
  isRenewalDue,
  maxAgeS,
  newSessionKey,
  RANDOM_BYTES,
} from '../../../../src/routing/session-cookie.js';
import type { CookieConfig } from '../../../../src/xds/hash-policy.js';

const NOW = 1_800_000_000;
const HOUR = 3600;
const random = Uint8Array.from({ length: RANDOM_BYTES }, (_, i) => 17 * i);
const madeAt = (seconds: number) => newSessionKey(random, seconds);

function lasting(ttlMs: number): CookieConfig {
  const rest = { path: '/', domain: '', sameSite: 'Lax', secure: 'auto', httpOnly: true } as const;
  return { name: 'sid', ttlMs, ...rest, mint: true, opaque: false };
}

t.test('S6: a cookie is renewed once half of its time is over, whatever the clocks say', async (t) => {
  const cases: readonly [what: string, ago: number, due: boolean][] = [
    ['just made', 0, false],
    ['before half of its time', HOUR / 2 - 1, false],
    ['at half of its time', HOUR / 2, true],
    ['near its end', HOUR - 1, true],
    ['kept for longer than it was to be', 40 * HOUR, true],
    ['made by a clock that is a little ahead', 1 - HOUR / 2, false],
    ['made by a clock so far ahead that it would end before it was renewed', -HOUR / 2, true],
    ['a time that the client made up', -(2 ** 31), true],
  ];
  for (const [what, ago, due] of cases) {
    const made = { key: madeAt(NOW - ago), pin: undefined };
    t.equal(isRenewalDue(lasting(HOUR * 1000), made, NOW), due, what);
    const reissued = { key: madeAt(NOW - 100 * HOUR), pin: undefined, issuedS: NOW - ago };
    t.equal(isRenewalDue(lasting(HOUR * 1000), reissued, NOW), due, `${what}, issued later than its key`);
    t.notOk(isRenewalDue(lasting(0), reissued, NOW), `${what}, for a browser session`);
  }
});

t.test('S6: a cookie that says no time', async (t) => {
  const hour = lasting(HOUR * 1000);
  const old = { key: 'k'.repeat(22), pin: undefined };
  t.ok(isRenewalDue(hour, old, NOW), 'one from before cookies said it is renewed');
  t.notOk(isRenewalDue(lasting(0), old, NOW));
  const ofEnvoy = { key: '0123456789abcdef', pin: undefined };
  t.notOk(isRenewalDue(hour, ofEnvoy, NOW), 'one of Envoy is for Envoy to renew');
  t.ok(isRenewalDue(hour, { ...ofEnvoy, issuedS: NOW - HOUR }, NOW), 'unless we have issued it since');
});

t.test('S6: browsers keep nothing for longer than 400 days, so that is what half is of', async (t) => {
  const years = lasting(5 * 365 * 24 * HOUR * 1000);
  const session = (days: number) => ({ key: madeAt(NOW - days * 24 * HOUR), pin: undefined });
  t.notOk(isRenewalDue(years, session(199), NOW));
  t.ok(isRenewalDue(years, session(200), NOW));
  t.equal(maxAgeS(years), 5 * 365 * 24 * HOUR);
  t.equal(maxAgeS(lasting(400)), 1, 'no cookie is told to be gone at once');
});

t.test('a new cookie is its key alone, and what is issued later says when', async (t) => {
  const key = madeAt(NOW);
  t.match(key, /^[\w-]{22}$/);
  t.equal(formatSessionCookie({ key, pin: undefined }), key);
  const pin = { release: 1, endpoint: 2 ** 48 + 2, label: false };
  const issued = formatSessionCookie({ key, pin, issuedS: NOW });
  t.match(issued, /^[\w-]{22}\.[\w-]{16}:[\w-]{6}$/);
  t.match(issued, /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/, 'cookie-octets (RFC 6265 section 4.1.1)');
  t.same(parseSessionCookie(issued), { key, pin, issuedS: NOW });
  const renewed = formatSetCookie(lasting(HOUR * 1000), { key, pin: undefined, issuedS: NOW }, false);
  t.match(renewed, /^sid=[\w-]{22}:[\w-]{6}; Path=\/; Max-Age=3600; /);
  for (const bad of [':', ':aaaaa', ':aaaaaaa', ':aaaaa!', ':aaaaaa:aaaaaa'])
    t.equal(parseSessionCookie(key + bad), undefined, bad);
});

t.test('keys are as many as their random bytes, at any time', async (t) => {
  const bytes = fc.uint8Array({ minLength: RANDOM_BYTES, maxLength: RANDOM_BYTES });
  const seconds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(
    fc.property(bytes, bytes, seconds, (a, b, at) => {
      const keys = [newSessionKey(a, at), newSessionKey(b, at)] as const;
      t.equal(keys[0] === keys[1], Buffer.compare(a, b) === 0);
      const session = { key: keys[0], pin: undefined };
      t.same(parseSessionCookie(formatSessionCookie(session)), session);
      t.notOk(isRenewalDue(lasting(HOUR * 1000), session, at));
      t.ok(isRenewalDue(lasting(HOUR * 1000), session, at + HOUR));
    }),
    { numRuns: 200 },
  );
});
