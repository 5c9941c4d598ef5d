import t from 'tap';
import { type Field, fieldLines } from '../../../../src/http/field-line.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import { StatefulSession } from '../../../../src/routing/stateful-cookie.js';
import type { SessionCarrier } from '../../../../src/xds/stateful-session-config.js';

const session = (carrier: Partial<SessionCarrier> = {}) => {
  const cookie = { kind: 'cookie', name: 'at', path: '', ttlMs: 0, ...carrier } as SessionCarrier;
  return new StatefulSession({ carrier: cookie, strict: false });
};
const withCookie = (cookie: string, path = '/') => plainRequest({ path, headers: [['cookie', cookie]] });

t.test("reads the address that Envoy's cookies hold, with an expiry or without", async (t) => {
  const addresses: readonly (readonly [value: string, address: string | undefined])[] = [
    ['MS4yLjMuNDo4MA==', '1.2.3.4:80'],
    ['"MS4yLjMuNDo4MA=="', '1.2.3.4:80'],
    ['CgoxLjIuMy40Ojgw', '1.2.3.4:80'],
    [Buffer.from('\n\x0a1.2.3.4:80\x10\x07').toString('base64'), '1.2.3.4:80'],
    [Buffer.from('[fd00::1]:80').toString('base64'), '[fd00::1]:80'],
    ['', undefined],
    ['%%%', undefined],
    ['A'.repeat(8192), undefined],
    [Buffer.from('some.host:80').toString('base64'), undefined],
    [Buffer.from('1.2.3.4:99999').toString('base64'), undefined],
    [Buffer.from('\n\xff1.2').toString('base64'), undefined],
  ];
  for (const [value, address] of addresses)
    t.equal(session().addressIn(withCookie(`a=b; at=${value}`)), address, value.slice(0, 30));
  t.equal(session().addressIn(plainRequest({})), undefined);
});

t.test('tells a client its endpoint where it does not know it yet', async (t) => {
  const here = withCookie('at=MS4yLjMuNDo4MA==');
  t.equal(session().fieldFor(here, '1.2.3.4:80'), undefined);
  t.strictSame(session().fieldFor(here, '1.2.3.5:80'), ['set-cookie', 'at="MS4yLjMuNTo4MA=="; HttpOnly']);
  t.strictSame(session({ path: '/', ttlMs: 60_000 }).fieldFor(plainRequest({}), '1.2.3.4:80'), [
    'set-cookie',
    'at="MS4yLjMuNDo4MA=="; Max-Age=60; Path=/; HttpOnly',
  ]);
  const header = new StatefulSession({ carrier: { kind: 'header', name: 'x-at' }, strict: false });
  t.strictSame(header.fieldFor(plainRequest({}), '1.2.3.4:80'), ['x-at', 'MS4yLjMuNDo4MA==']);
});

t.test("leaves requests alone that are not under the cookie's path", async (t) => {
  const cases: readonly (readonly [cookie: string, path: string, covered: boolean])[] = [
    ['', '/any', true],
    ['/', '/any', true],
    ['/buy', '/buy', true],
    ['/buy', '/buy/now', true],
    ['/buy', '/buyer', false],
    ['/buy/', '/buy/now', true],
    ['/buy/', '/buy', false],
  ];
  for (const [path, requested, covered] of cases) {
    const request = withCookie('at=MS4yLjMuNDo4MA==', requested);
    t.equal(session({ path }).addressIn(request) !== undefined, covered, `${path} and ${requested}`);
    t.equal(session({ path }).fieldFor(request, '1.2.3.5:80') !== undefined, covered);
  }
});

t.test('writes no line that would be more than one, whatever came past the border', async (t) => {
  const request = plainRequest({});
  t.equal(fieldLines([session({ path: '/', name: 'a\r\nb' }).fieldFor(request, '1.2.3.4:80') as Field]), '');
  const header = new StatefulSession({ carrier: { kind: 'header', name: 'x\r\ny' }, strict: false });
  t.equal(fieldLines([header.fieldFor(request, '1.2.3.4:80') as Field]), '');
});
