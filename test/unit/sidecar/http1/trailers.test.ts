import t from 'tap';
import { forwardedTrailers } from '../../../../sidecar/http1/trailers.js';
import { fieldLines } from '../../../../src/http/field-line.js';
import { shown, verdict } from '../../../support/http1/heads.js';

t.test('passes trailer fields on as they came, in order', async (t) => {
  t.strictSame(forwardedTrailers('', 10), []);
  const fields = forwardedTrailers('Grpc-Status:0\r\nX-Sum: \tab \r\ngrpc-status: 1\r\n', 10);
  t.strictSame(fields, [
    ['Grpc-Status', '0'],
    ['X-Sum', 'ab'],
    ['grpc-status', '1'],
  ]);
  t.equal(fieldLines(fields), 'Grpc-Status: 0\r\nX-Sum: ab\r\ngrpc-status: 1\r\n');
});

t.test('drops fields that may not come behind the content (RFC 9110 section 6.5.1)', async (t) => {
  for (const name of [
    'Transfer-Encoding',
    'content-length',
    'Content-Type',
    'Content-Encoding',
    'Content-Range',
    'HOST',
    'Authorization',
    'Proxy-Authorization',
    'Cookie',
    'Set-Cookie',
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Upgrade',
    'HTTP2-Settings',
    'Expect',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Request-Id',
    'Baggage',
  ]) {
    const fields = forwardedTrailers(`A: 1\r\n${name}: x\r\nB: 2\r\n`, 10);
    t.equal(fieldLines(fields), 'A: 1\r\nB: 2\r\n', name);
  }
});

t.test('refuses what is not a field line (RFC 9112 section 7.1.2)', async (t) => {
  for (const lines of [
    'A : 1\r\n',
    ' A: 1\r\n',
    'A: 1\r\n B\r\n',
    'A\r\n',
    ': 1\r\n',
    'A: 1\nB: 2\r\n',
    'A: \x00\r\n',
    'A: 1\rB: 2\r\n',
    'GET /admin HTTP/1.1\r\nHost: a\r\n',
  ]) {
    t.equal(
      verdict(() => forwardedTrailers(lines, 10)),
      400,
      shown(lines),
    );
  }
});

t.test('bounds their number', async (t) => {
  t.equal(
    verdict(() => forwardedTrailers('A: 1\r\n'.repeat(3), 3)),
    'ok',
  );
  t.equal(
    verdict(() => forwardedTrailers('A: 1\r\n'.repeat(4), 3)),
    431,
  );
});
