import fc from 'fast-check';
import t from 'tap';
import type { RequestEdits, RequestMessage, ResponseMessage } from '../../../../sidecar/http/message.js';
import { forwardedRequestHead, forwardedResponseHead } from '../../../../sidecar/http1/forwarded-head.js';
import { translatedRequestHead, translatedResponseHead } from '../../../../sidecar/http1/translated-head.js';
import type { FieldChanges } from '../../../../src/routing/actions.js';
import { headOf, parseRequest, parseResponse } from '../../../support/http1/heads.js';

const UNCHANGED = { added: [], changes: undefined };
const OPEN = { close: false, toOldClient: false };
const RUNS = 2000;

const names = fc.constantFrom(
  ...[
    'Accept',
    'X-User-Id',
    'x-forwarded-for',
    'X-Forwarded-Proto',
    'X-Request-Id',
    'baggage',
    'Cookie',
    'X-A',
  ],
  ...['x-roost-via', 'Keep-Alive', 'TE', 'Proxy-Authorization', 'X-Hop', 'Expect', 'x-roost-app-refuses'],
);
const values = fc.constantFrom('1', 'a, b', 'x=1', 'caf\xe9', '10.0.0.1', '');
const fields = fc.array(fc.tuple(names, values), { maxLength: 12 });
const changes: fc.Arbitrary<FieldChanges | undefined> = fc.option(
  fc.record({
    dropped: fc.uniqueArray(fc.constantFrom('accept', 'x-a', 'baggage', 'cookie')).map((all) => new Set(all)),
    added: fc.array(fc.tuple(fc.constantFrom('x-new', 'X-A'), fc.constantFrom('2', '3')), { maxLength: 3 }),
  }),
  { nil: undefined },
);
const edits: fc.Arbitrary<RequestEdits> = fc.record({
  requestId: fc.constant(() => 'an-id'),
  via: fc.constant('mark'),
  baggage: fc.constantFrom(undefined, 'roost-lane=canary'),
  changes: fc.option(
    fc.record({
      fields: changes,
      path: fc.constantFrom(
        undefined,
        (path: string) => `/new${path}`,
        () => 'not a path',
      ),
      host: fc.constantFrom('', 'other.example'),
    }),
    { nil: undefined },
  ),
  offersNothing: fc.boolean(),
});

/** The start line, and the fields in no order: names in lower case. */
function contentOf(head: string): { line: string; fields: string[] } {
  const [line = '', ...lines] = head.split('\r\n').slice(0, -2);
  const fieldsOf = lines.map((each) => {
    const colon = each.indexOf(':');
    return `${each.slice(0, colon).toLowerCase()}: ${each.slice(colon + 1).trim()}`;
  });
  return { line, fields: fieldsOf.sort() };
}

const ofAnotherCodec = <Message extends object>(message: Message): Message =>
  new Proxy(message, { get: (target, key) => Reflect.get(target, key, target), getPrototypeOf: () => null });

t.test('a request goes on with the same fields, whether it came over HTTP/1.1 or not', async (t) => {
  const starts = fc.constantFrom('GET /a?b', 'POST http://b.example/x', 'OPTIONS *', 'GET /');
  const more = fc.constantFrom(
    [],
    ['Content-Length: 3'],
    ['Transfer-Encoding: chunked'],
    ['Connection: upgrade, x-hop', 'Upgrade: websocket, h2c'],
  );
  fc.assert(
    fc.property(starts, fields, more, edits, (start, list, extra, edit) => {
      const lines = list.map(([name, value]) => `${name}: ${value}`);
      const parse = () => parseRequest(headOf(`${start} HTTP/1.1`, 'Host: a.example', ...lines, ...extra));
      const forwarded = contentOf(forwardedRequestHead(parse(), edit));
      const translated = contentOf(translatedRequestHead(ofAnotherCodec<RequestMessage>(parse()), edit));
      t.strictSame(translated, forwarded);
    }),
    { numRuns: RUNS },
  );
});

t.test('a response goes on with the same fields, whether it came over HTTP/1.1 or not', async (t) => {
  const statuses = fc.constantFrom(200, 204, 304, 404, 503, 103);
  fc.assert(
    fc.property(statuses, fields, fc.boolean(), changes, (status, list, hasLength, change) => {
      const lines = list.map(([name, value]) => `${name}: ${value}`);
      const length = hasLength ? ['content-length: 3'] : ['transfer-encoding: chunked'];
      const head = headOf(
        `HTTP/1.1 ${status} ${REASONS[status]}`,
        ...lines,
        ...(status === 304 || status < 200 ? [] : length),
      );
      const edit = { added: [['set-cookie', 'a=b'] as const], changes: change };
      const forwarded = contentOf(forwardedResponseHead(parseResponse(head), edit, OPEN));
      const neutral = ofAnotherCodec<ResponseMessage>(parseResponse(head));
      t.strictSame(contentOf(translatedResponseHead(neutral, edit, OPEN)), forwarded);
    }),
    { numRuns: RUNS },
  );
});

const REASONS: Readonly<Record<number, string>> = {
  103: 'Early Hints',
  200: 'OK',
  204: 'No Content',
  304: 'Not Modified',
  404: 'Not Found',
  503: 'Service Unavailable',
};

t.test('a body without a length goes in chunks, but not to a client of HTTP/1.0', async (t) => {
  const response = (bodyLength: number | undefined, switchesTo?: string): ResponseMessage => ({
    status: switchesTo === undefined ? 200 : 101,
    isInterim: false,
    bodyLength,
    keepAlive: true,
    switchesTo,
    header: () => undefined,
    headerValues: () => [],
    eachField: (visit) => visit('x-a', '1'),
  });
  const chunked = /\r\ntransfer-encoding: chunked\r\n/;
  t.match(translatedResponseHead(response(undefined), UNCHANGED, OPEN), chunked);
  t.notMatch(translatedResponseHead(response(3), UNCHANGED, OPEN), chunked);
  const toOld = { close: true, leaving: true, toOldClient: true };
  const old = translatedResponseHead(response(undefined), UNCHANGED, toOld);
  t.equal(old, 'HTTP/1.1 200 OK\r\nx-a: 1\r\nConnection: close, roost-leaving\r\n\r\n');
  t.match(
    translatedResponseHead(response(0, 'websocket'), UNCHANGED, OPEN),
    'Connection: Upgrade\r\nUpgrade: websocket',
  );
});
