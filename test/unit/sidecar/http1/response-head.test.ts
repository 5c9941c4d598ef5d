import t from 'tap';
import { headOf, parseResponse, shown, verdict } from '../../../support/http1/heads.js';

const withLine = (line: string) => headOf(line, 'Content-Length: 0');
const CONTROLS = [...Array.from({ length: 32 }, (_, code) => code), 0x7f].filter((code) => code !== 0x09);

t.test('takes a status line: version, status, reason (RFC 9112 section 4)', async (t) => {
  const cases: readonly (readonly [line: string, status: number, statusAndReason: string])[] = [
    ['HTTP/1.1 200 OK', 200, '200 OK'],
    ['HTTP/1.0 404 Not Found', 404, '404 Not Found'],
    ['HTTP/1.1 200 ', 200, '200 '],
    ['HTTP/1.1 599 a\tb\xe9', 599, '599 a\tb\xe9'],
    ['HTTP/1.1 999 Whatever', 999, '999 Whatever'],
    ['HTTP/1.1 200  two spaces', 200, '200  two spaces'],
  ];
  for (const [line, status, statusAndReason] of cases) {
    const response = parseResponse(withLine(line));
    t.strictSame([response.status, response.statusAndReason], [status, statusAndReason], shown(line));
  }
});

t.test('puts the space behind a status that came without one (RFC 9112 section 4)', async (t) => {
  t.equal(parseResponse(withLine('HTTP/1.1 200')).statusAndReason, '200 ');
});

t.test('refuses any other status line (RFC 9112 section 4)', async (t) => {
  const lines = [
    '',
    'OK',
    'HTTP/1.1',
    'HTTP/1.1 ',
    'HTTP/1.1 OK',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 200OK',
    'HTTP/1.1 2OO OK',
    'HTTP/1.1 000 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 -20 OK',
    'HTTP/1.1 +20 OK',
    'HTTP/1.1 2.0 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 200\tOK',
    'HTTP/1.1200 OK',
    ' HTTP/1.1 200 OK',
    'http/1.1 200 OK',
    'HTTP/1.2 200 OK',
    'HTTP/2 200',
    'HTTP/2.0 200 OK',
    'HTTP/0.9 200 OK',
    'HTTP/11 200 OK',
    'HTTP/1,1 200 OK',
    'ICY 200 OK',
    '<html>',
    'GET / HTTP/1.1',
    ...CONTROLS.filter((code) => code !== 0x0a).map((code) => `HTTP/1.1 200 a${String.fromCharCode(code)}b`),
  ];
  for (const line of lines)
    t.not(
      verdict(() => parseResponse(withLine(line))),
      'ok',
      shown(line),
    );
});

t.test('no empty line comes before a status line (RFC 9112 section 2.2)', async (t) => {
  t.equal(
    verdict(() => parseResponse(withLine('HTTP/1.1 200 OK'))),
    'ok',
  );
  t.equal(
    verdict(() => parseResponse(`\r\n${withLine('HTTP/1.1 200 OK')}`)),
    400,
  );
});

t.test(
  'refuses folded, bare and malformed lines in a response, too (RFC 9112 sections 2.2, 5.1, 5.2)',
  async (t) => {
    for (const field of ['X: a\r\n b', 'X : a', 'X: a\nY: b', 'X: a\rb', ': a', 'X', 'X: \x00', 'X\x00: a']) {
      const head = headOf('HTTP/1.1 200 OK', field);
      t.equal(
        verdict(() => parseResponse(head)),
        400,
        shown(head),
      );
    }
  },
);

t.test('every 1xx but 101 is interim (RFC 9110 section 15.2)', async (t) => {
  const isInterim = (status: number) => parseResponse(headOf(`HTTP/1.1 ${status} X`, 'Upgrade: x')).isInterim;
  for (const status of [100, 102, 103, 110, 199]) t.equal(isInterim(status), true, String(status));
  for (const status of [101, 200, 204, 304, 500, 999]) t.equal(isInterim(status), false, String(status));
});

t.test('a 101 names its protocol (RFC 9110 section 7.8)', async (t) => {
  t.equal(
    verdict(() => parseResponse(headOf('HTTP/1.1 101 Switching Protocols', 'Upgrade: x'))),
    'ok',
  );
  t.equal(
    verdict(() => parseResponse(headOf('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade'))),
    400,
  );
});

t.test('knows whether the connection goes on (RFC 9112 section 9.3)', async (t) => {
  const keeps = (line: string, ...fields: string[]) => parseResponse(headOf(line, ...fields)).keepAlive;
  t.equal(keeps('HTTP/1.1 200 OK'), true);
  t.equal(keeps('HTTP/1.1 200 OK', 'Connection: keep-alive'), true);
  t.equal(keeps('HTTP/1.1 200 OK', 'Connection: close'), false);
  t.equal(keeps('HTTP/1.1 200 OK', 'Connection: x, CLOSE'), false);
  t.equal(keeps('HTTP/1.0 200 OK'), false);
  t.equal(keeps('HTTP/1.0 200 OK', 'Connection: keep-alive'), true);
});

t.test('a 204 that declares a body is its connection’s last (RFC 9110 section 8.6)', async (t) => {
  const keeps = (status: number, ...fields: string[]) =>
    parseResponse(headOf(`HTTP/1.1 ${status} X`, ...fields)).keepAlive;
  t.equal(keeps(204), true);
  t.equal(keeps(204, 'Content-Length: 0'), true);
  t.equal(keeps(204, 'Content-Length: 5'), false);
  t.equal(keeps(204, 'Transfer-Encoding: chunked'), false);
  t.equal(keeps(304, 'Content-Length: 5'), true, 'on a 304 it is what a 200 would have had');
});

t.test('reads how long the server keeps the connection, where it says so', async (t) => {
  const cases: readonly (readonly [hint: string, ms: number | undefined])[] = [
    ['timeout=5', 5000],
    ['timeout=5, max=100', 5000],
    ['max=100,timeout=5', 5000],
    ['Timeout = "15"', 15_000],
    ['timeout=0', 0],
    ['timeout=', undefined],
    ['timeout=soon', undefined],
    ['timeout=99999999999999', undefined],
    ['max=5', undefined],
    ['mytimeout=5', undefined],
  ];
  for (const [hint, ms] of cases) {
    const response = parseResponse(headOf('HTTP/1.1 204 No Content', `Keep-Alive: ${hint}`));
    t.equal(response.keepAliveTimeoutMs, ms, hint);
  }
  t.equal(parseResponse(headOf('HTTP/1.1 204 No Content')).keepAliveTimeoutMs, undefined);
});
