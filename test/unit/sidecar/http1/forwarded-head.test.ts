import t from 'tap';
import { forwardedRequestHead, forwardedResponseHead } from '../../../../sidecar/http1/forwarded-head.js';
import { NO_FIELDS } from '../../../../src/http/field-line.js';
import { headOf, parseRequest, parseResponse, SOURCE_IP } from '../../../support/http1/heads.js';

const UNCHANGED = { added: NO_FIELDS, changes: undefined };
const OWN = [`x-forwarded-for: ${SOURCE_IP}`, 'x-forwarded-proto: http', 'x-request-id: an-id'];
const OWN_GIVEN = ['X-Forwarded-For: 10.0.0.1', 'x-forwarded-proto: https', 'X-Request-Id: theirs'];

function forward(lines: readonly string[], baggage?: string): string[] {
  const request = parseRequest(headOf(...lines));
  const head = forwardedRequestHead(request, { requestId: () => 'an-id', baggage });
  t.ok(head.endsWith('\r\n\r\n'));
  return head.split('\r\n').slice(0, -2);
}

function forwardResponse(
  lines: readonly string[],
  { close = false, toOldClient = false, added = NO_FIELDS } = {},
) {
  const head = forwardedResponseHead(
    parseResponse(headOf(...lines)),
    { added, changes: undefined },
    { close, toOldClient },
  );
  t.ok(head.endsWith('\r\n\r\n'));
  return head.split('\r\n').slice(0, -2);
}

t.test('passes fields on in their order and letter case, byte for byte', async (t) => {
  const fields = [
    'hOsT: a',
    'Accept:*/*',
    'X-Odd: \t  \xe9 ',
    'accept: text/html',
    'Content-Length: 0',
    'z:',
  ];
  t.strictSame(forward(['GET /a?b HTTP/1.1', ...fields]), ['GET /a?b HTTP/1.1', ...fields, ...OWN]);
});

t.test('removes the fields of one hop (RFC 9110 section 7.6.1)', async (t) => {
  const hop = [
    'Connection: keep-alive',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'TE: trailers',
    'Upgrade: x',
    'Proxy-Authorization: Basic x',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
  ];
  t.strictSame(forward(['GET / HTTP/1.1', ...hop, 'Host: a', 'X: 1', ...hop.slice(1)]), [
    'GET / HTTP/1.1',
    'Host: a',
    'X: 1',
    ...OWN,
  ]);
  t.strictSame(
    forwardResponse(['HTTP/1.1 200 OK', 'A: 1', ...hop.slice(0, 5), 'Content-Length: 0', 'B: 2']),
    ['HTTP/1.1 200 OK', 'A: 1', 'Content-Length: 0', 'B: 2'],
  );
});

t.test('replaces the marks by which sidecars know a request again', async (t) => {
  const request = parseRequest(headOf('GET / HTTP/1.1', 'Host: a', 'X-Roost-Via: a', 'x-roost-via: b'));
  const head = forwardedRequestHead(request, {
    requestId: () => 'an-id',
    baggage: undefined,
    via: 'a, b, c',
  });
  t.strictSame(head.match(/x-roost-via: .*/gi), ['x-roost-via: a, b, c']);
});

t.test('removes the fields that Connection nominates (RFC 9110 section 7.6.1)', async (t) => {
  const fields = ['Connection: x-one, X-TWO', 'X-One: 1', 'x-three: 3', 'x-two: 2', 'X-one: again'];
  t.strictSame(forward(['GET / HTTP/1.1', 'Host: a', ...fields]), [
    'GET / HTTP/1.1',
    'Host: a',
    'x-three: 3',
    ...OWN,
  ]);
  t.strictSame(forwardResponse(['HTTP/1.1 200 OK', ...fields]), ['HTTP/1.1 200 OK', 'x-three: 3']);
});

t.test('keeps the fields that frame the body', async (t) => {
  for (const framing of [
    'content-LENGTH: 7',
    'CONTENT-length: 0',
    'Transfer-ENCODING: chunked',
    'Expect: 100-continue',
    'Trailer: X',
  ]) {
    t.match(forward(['POST / HTTP/1.1', 'Host: a', framing]), ['POST / HTTP/1.1', 'Host: a', framing]);
  }
});

t.test(
  'writes framing fields in the one way that every parser reads alike (RFC 9112 section 6.1)',
  async (t) => {
    for (const [written, plain] of [
      ['content-LENGTH:7', 'content-LENGTH: 7'],
      ['Content-Length:\t7', 'Content-Length: 7'],
      ['Content-Length:  7', 'Content-Length: 7'],
      ['Content-Length: 7 ', 'Content-Length: 7'],
      ['Content-Length: 7\t', 'Content-Length: 7'],
      ['Content-Length: 007', 'Content-Length: 7'],
      ['Content-Length: 00', 'Content-Length: 0'],
      ['Content-Length: 9007199254740991 ', 'Content-Length: 9007199254740991'],
      ['Transfer-Encoding: Chunked', 'Transfer-Encoding: chunked'],
      ['TRANSFER-ENCODING:CHUNKED', 'TRANSFER-ENCODING: chunked'],
      ['Transfer-Encoding:\tchunked', 'Transfer-Encoding: chunked'],
      ['Transfer-Encoding: chunked \t', 'Transfer-Encoding: chunked'],
    ] as const) {
      t.match(forward(['POST / HTTP/1.1', 'A: 1', written, 'Host: a']), [
        'POST / HTTP/1.1',
        'A: 1',
        plain,
        'Host: a',
      ]);
      t.strictSame(forwardResponse(['HTTP/1.1 200 OK', 'A: 1', written, 'B: 2']), [
        'HTTP/1.1 200 OK',
        'A: 1',
        plain,
        'B: 2',
      ]);
    }
    const head = parseResponse(headOf('HTTP/1.1 200 OK', 'Content-Length: 0100'), 'HEAD');
    t.match(
      forwardedResponseHead(head, UNCHANGED, { close: false, toOldClient: false }),
      'Content-Length: 100\r\n',
    );
  },
);

t.test('adds the client to X-Forwarded-For, and keeps the other fields of its kind', async (t) => {
  const seen = (...fields: string[]) => forward(['GET / HTTP/1.1', 'Host: a', ...fields]).slice(2);
  t.strictSame(seen(...OWN_GIVEN), [`X-Forwarded-For: 10.0.0.1, ${SOURCE_IP}`, ...OWN_GIVEN.slice(1)]);
  t.strictSame(seen('x-forwarded-for: a,b', 'Y: 1', 'X-FORWARDED-FOR: c').slice(0, 3), [
    'x-forwarded-for: a,b',
    'Y: 1',
    `X-FORWARDED-FOR: c, ${SOURCE_IP}`,
  ]);
  t.strictSame(seen('X-Forwarded-For:').slice(0, 1), [`X-Forwarded-For: ${SOURCE_IP}`]);
});

t.test('gives a request one id, and keeps it from attempt to attempt', async (t) => {
  const request = parseRequest(headOf('GET / HTTP/1.1', 'Host: a'));
  let ids = 0;
  const edits = { requestId: () => `id-${++ids}`, baggage: undefined };
  t.match(forwardedRequestHead(request, edits), 'x-request-id: id-1\r\n');
  t.match(forwardedRequestHead(request, { ...edits, baggage: 'a=b' }), 'x-request-id: id-1\r\n');
  request.parse(headOf('GET / HTTP/1.1', 'Host: a'));
  t.match(forwardedRequestHead(request, edits), 'x-request-id: id-2\r\n');
});

t.test('puts new baggage in the place of what there was', async (t) => {
  const lines = ['GET / HTTP/1.1', 'Baggage: x=1', 'Host: a', 'baggage: y=2', ...OWN_GIVEN];
  t.match(forward(lines), ['GET / HTTP/1.1', 'Baggage: x=1', 'Host: a', 'baggage: y=2']);
  const changed = forward(lines, 'x=1,y=2,z=3');
  t.strictSame(
    changed.filter((line) => /^baggage/i.test(line)),
    ['baggage: x=1,y=2,z=3'],
  );
});

t.test(
  'turns an absolute target into origin form, with its authority for Host (RFC 9112 section 3.2.2)',
  async (t) => {
    t.strictSame(forward(['GET http://b:81/x?y HTTP/1.1', 'A: 1', 'hOST: a', 'B: 2']), [
      'GET /x?y HTTP/1.1',
      'A: 1',
      'hOST: b:81',
      'B: 2',
      ...OWN,
    ]);
  },
);

t.test('a request of HTTP/1.0 goes on as HTTP/1.1: with a Host, without expectations', async (t) => {
  t.strictSame(forward(['GET / HTTP/1.0']), ['GET / HTTP/1.1', 'Host: ', ...OWN]);
  t.strictSame(forward(['GET http://b/ HTTP/1.0']), ['GET / HTTP/1.1', 'Host: b', ...OWN]);
  for (const target of ['/', 'http://a/']) {
    const lines = [`POST ${target} HTTP/1.0`, 'Host: a', 'Expect: 100-continue', 'Content-Length: 1'];
    t.strictSame(forward(lines), ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 1', ...OWN]);
  }
});

t.test('passes an upgrade on, but none to HTTP/2 and none with a body (RFC 9110 section 7.8)', async (t) => {
  const upgrade = (protocols: string, ...fields: string[]) =>
    parseRequest(
      headOf('GET / HTTP/1.1', 'Host: a', 'Connection: upgrade', `Upgrade: ${protocols}`, ...fields),
    ).upgradeOffer;
  t.equal(upgrade('websocket'), 'websocket');
  t.equal(upgrade('websocket, h2c ,HTTP/2.0, TLS/1.2'), 'websocket, HTTP/2.0, TLS/1.2');
  for (const h2 of ['h2c', 'H2C', 'h2', 'h2c/1', 'h2c,h2', '', ',']) t.equal(upgrade(h2), undefined, h2);
  t.equal(upgrade('websocket', 'Content-Length: 1'), undefined);
  t.equal(upgrade('websocket', 'Transfer-Encoding: chunked'), undefined);
  t.strictSame(
    forward(['GET / HTTP/1.1', 'Host: a', 'Upgrade: websocket', 'Connection: keep-alive, Upgrade']),
    ['GET / HTTP/1.1', 'Host: a', ...OWN, 'Connection: Upgrade', 'Upgrade: websocket'],
  );
});

t.test('adds to a response what it is told to, and whether the connection goes on', async (t) => {
  const lines = ['HTTP/1.0 200 Fine by me', 'Content-Length: 0'];
  t.strictSame(forwardResponse(lines, { added: [['set-cookie', 'a=b']] }), [
    'HTTP/1.1 200 Fine by me',
    'Content-Length: 0',
    'set-cookie: a=b',
  ]);
  t.strictSame(forwardResponse(lines, { close: true }).at(-1), 'Connection: close');
  t.strictSame(forwardResponse(lines, { toOldClient: true }).at(-1), 'Connection: keep-alive');
  t.strictSame(forwardResponse(lines, { toOldClient: true, close: true }).at(-1), 'Connection: close');
});

t.test('a client of HTTP/1.0 hears of no chunks (RFC 9112 section 6.1)', async (t) => {
  const lines = ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: X', 'A: 1'];
  t.strictSame(forwardResponse(lines, { toOldClient: true, close: true }), [
    'HTTP/1.1 200 OK',
    'A: 1',
    'Connection: close',
  ]);
  const toHead = parseResponse(headOf(...lines), 'HEAD');
  t.notMatch(forwardedResponseHead(toHead, UNCHANGED, { close: false, toOldClient: true }), 'chunked');
});

t.test('takes the framing off a response that has no body (RFC 9110 section 8.6)', async (t) => {
  for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
    t.strictSame(forwardResponse(['HTTP/1.1 204 No Content', framing]), ['HTTP/1.1 204 No Content'], framing);
    t.strictSame(forwardResponse(['HTTP/1.1 304 Not Modified', framing]), [
      'HTTP/1.1 304 Not Modified',
      framing,
    ]);
  }
  t.strictSame(
    forwardResponse(['HTTP/1.1 103 Early Hints', 'Content-Length: 0', 'Link: x'], { close: true }),
    ['HTTP/1.1 103 Early Hints', 'Link: x'],
  );
});

t.test('a 101 goes on with its protocol (RFC 9110 section 7.8)', async (t) => {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'upgrade: WebSocket', 'CONNECTION: upgrade', 'Sec-X: y'];
  t.strictSame(forwardResponse(lines), [
    'HTTP/1.1 101 Switching Protocols',
    'Sec-X: y',
    'Connection: Upgrade',
    'Upgrade: WebSocket',
  ]);
});
