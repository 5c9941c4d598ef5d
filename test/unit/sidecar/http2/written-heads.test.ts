import fc from 'fast-check';
import t from 'tap';
import type { RequestEdits } from '../../../../sidecar/http/message.js';
import { HeaderField, NEVER_INDEXED, NOT_INDEXED } from '../../../../sidecar/http2/header-field.js';
import { type RequestFields, readRequest, readResponse } from '../../../../sidecar/http2/message-head.js';
import { Http2Request } from '../../../../sidecar/http2/request-message.js';
import { Http2Response } from '../../../../sidecar/http2/response-message.js';
import {
  answerFields,
  neutralTrailers,
  writtenRequest,
  writtenResponse,
  writtenTrailers,
} from '../../../../sidecar/http2/written-heads.js';
import { parseRequest, parseResponse } from '../../../support/http1/heads.js';
import type { List } from '../../../support/http2/frames.js';

const fieldsOf = (list: List) =>
  list.map(([name, value, indexing]) => new HeaderField(name, value, indexing ?? 0));
const shown = (fields: readonly HeaderField[]) => fields.map(({ name, value }) => [name, value]);
const PSEUDO: List = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'a.test'],
  [':path', '/x?y=z'],
];

function requestOf(list: List): Http2Request {
  return new Http2Request(readRequest(fieldsOf(list)) as RequestFields, '10.0.0.1', false);
}

/** The same message, as one of another protocol: nothing of HTTP/2's own way is used for it. */
const asForeign = (request: Http2Request) =>
  Object.assign(Object.create(null) as Http2Request, {
    method: request.method,
    target: request.target,
    authority: request.authority,
    sourceIp: request.sourceIp,
    bodyLength: request.bodyLength,
    givenId: '',
    upgradeOffer: undefined,
    isGrpc: request.isGrpc,
    header: (name: Parameters<Http2Request['header']>[0]) => request.header(name),
    eachField: (visit: Parameters<Http2Request['eachField']>[0]) => request.eachField(visit),
  });

const NAMES = [
  'x-a',
  'x-b',
  'accept',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
  'x-roost-via',
  'baggage',
  'grpc-timeout',
  'te',
  'proxy-authorization',
];
const value = fc.stringMatching(/^[!-~]([ -~]{0,10}[!-~])?$/);
const field = fc
  .tuple(fc.constantFrom(...NAMES), value)
  .map(([name, value]): readonly [string, string] => [name, name === 'te' ? 'trailers' : value]);
const edits: fc.Arbitrary<RequestEdits> = fc.record({
  requestId: fc.constant(() => 'an-id'),
  via: fc.constant('a-mark'),
  baggage: fc.option(fc.constant('lane=canary'), { nil: undefined }),
  grpcTimeout: fc.option(fc.constant('250m'), { nil: undefined }),
  changes: fc.option(
    fc.record({
      fields: fc.option(
        fc.record({
          dropped: fc.constantFrom(new Set<string>(), new Set(['x-a', 'baggage'])),
          added: fc.constantFrom([], [['X-New', '1']] as const),
        }),
        { nil: undefined },
      ),
      path: fc.option(
        fc.constant((path: string) => `/new${path}`),
        { nil: undefined },
      ),
      host: fc.constantFrom('', 'b.test'),
    }),
    { nil: undefined },
  ),
});

t.test('a request from HTTP/2 goes on as one from another protocol would, whatever the edits', async (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(field, { selector: ([name]) => name }), edits, (list, edits) => {
      const request = requestOf([...PSEUDO, ...list]);
      const own = shown(writtenRequest(request, edits, 'http', ''));
      const neutral = shown(writtenRequest(asForeign(request), edits, 'http', ''));
      const sorted = (fields: string[][]) => fields.map((field) => field.join(': ')).sort();
      t.same(sorted(own), sorted(neutral));
    }),
    { numRuns: 300 },
  );
});

t.test('fields keep how they may be indexed', async (t) => {
  const request = requestOf([...PSEUDO, ['x-token', 's', NEVER_INDEXED], ['x-trace', '1', NOT_INDEXED]]);
  const fields = writtenRequest(request, { requestId: () => 'id', baggage: undefined }, 'http', '');
  const indexing = Object.fromEntries(fields.map(({ name, indexing }) => [name, indexing]));
  t.match(indexing, { 'x-token': NEVER_INDEXED, 'x-trace': NOT_INDEXED });
});

t.test('secrets of HTTP/1.1 are never indexed, what always changes is not', async (t) => {
  const head =
    'GET /p HTTP/1.1\r\nHost: A.test\r\nAuthorization: x\r\nCookie: a=1\r\nTE: trailers\r\nETag: y\r\nX-Y: z\r\n\r\n';
  const fields = writtenRequest(
    parseRequest(head),
    { requestId: () => 'id', baggage: undefined },
    'http',
    '',
  );
  t.same(
    fields.slice(0, 4).map(({ name, value }) => [name, value]),
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'A.test'],
      [':path', '/p'],
    ],
  );
  const indexing = Object.fromEntries(fields.map(({ name, indexing }) => [name, indexing]));
  t.match(indexing, { ':path': 1, authorization: 2, cookie: 2, te: 0, etag: 1, 'x-y': 0 });
});

t.test('what is not a field is not written', async (t) => {
  const fields = answerFields(200, [
    ['x-good', 'y'],
    ['x bad', 'y'],
    ['x-bad', 'a\r\nb'],
    ['connection', 'close'],
    [':path', '/'],
    ['X-Upper', ' blank '],
  ]);
  t.same(shown(fields), [
    [':status', '200'],
    ['x-good', 'y'],
    ['x-upper', 'blank'],
  ]);
});

t.test('trailers lose what may not be there', async (t) => {
  const trailers = neutralTrailers(
    fieldsOf([
      ['grpc-status', '0'],
      ['content-length', '1'],
      ['set-cookie', 'a=b'],
    ]),
  );
  t.same(trailers, [['grpc-status', '0']]);
  t.same(shown(writtenTrailers([...trailers, ['X-Sum', '1']])), [
    ['grpc-status', '0'],
    ['x-sum', '1'],
  ]);
});

t.test('a response of HTTP/1.1 loses what is for one hop only', async (t) => {
  const response = parseResponse(
    'HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nX-Y: z\r\n\r\n',
  );
  t.same(shown(writtenResponse(response, undefined)), [
    [':status', '200'],
    ['x-y', 'z'],
  ]);
});

t.test('a response without content says so to HTTP/1.1, and only there', async (t) => {
  const head = readResponse(fieldsOf([[':status', '200']]));
  if (typeof head === 'string') throw new Error(head);
  const response = new Http2Response(head, true, { isHead: false, protocol: '' });
  const fields: string[] = [];
  response.eachField((name, value) => fields.push(`${name}: ${value}`));
  t.same(fields, ['content-length: 0']);
  t.same(shown(writtenResponse(response, undefined)), [[':status', '200']]);
});
