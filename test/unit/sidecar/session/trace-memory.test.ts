import fc from 'fast-check';
import t from 'tap';
import { SharedTraces, sharedTraceMemory } from '../../../../sidecar/session/shared-traces.js';
import { formatKeys, parseKeys } from '../../../../sidecar/session/trace-keys.js';
import { missingKeys, TracedRequest, TraceMemory } from '../../../../sidecar/session/trace-memory.js';
import { OwnTraces } from '../../../../sidecar/session/trace-store.js';
import { readBaggage } from '../../../../src/http/baggage.js';
import { utf8Bytes } from '../../../../src/http/byte-text.js';
import { headerName } from '../../../../src/http/header-name.js';
import { readParameter } from '../../../../src/http/query.js';
import { traceIdOf } from '../../../../src/http/trace-context.js';
import { plainRequest, type RequestView } from '../../../../src/routing/request-view.js';
import type { KeySourceConfig } from '../../../../src/xds/hash-policy.js';

const traceparent = (n: number) => `00-${String(n).padStart(32, 'a')}-b7ad6b7169203331-01`;
/** As a session's key is made. */
const KEY = 'abcdefghijklmnopqrstuv';
const SOURCES: KeySourceConfig[] = [
  { kind: 'header', name: 'x-user-id' },
  { kind: 'baggage', name: 'tenant' },
  { kind: 'query', name: 'uid' },
  {
    kind: 'cookie',
    cookie: {
      name: 'sid',
      path: '/',
      domain: '',
      ttlMs: 0,
      sameSite: 'Lax',
      secure: 'auto',
      httpOnly: true,
      mint: true,
      opaque: false,
    },
  },
];
const request = (...headers: [string, string][]) => plainRequest({ headers });
const arrived = (n: number) =>
  request(
    ['traceparent', traceparent(n)],
    ['x-user-id', '7'],
    ['baggage', 'tenant=acme,roost-lane=canary'],
    ['cookie', `a=b; sid=garbage; sid=${KEY}`],
  );

t.test('fills in lane and keys for a call that carries nothing but the trace', async (t) => {
  for (const store of [new OwnTraces(), new SharedTraces(sharedTraceMemory())]) {
    const memory = new TraceMemory(store, () => 0);
    memory.remember(arrived(1), SOURCES);
    const call = request(['traceparent', traceparent(1)]);
    const entry = memory.find(call);
    t.ok(entry);
    const traced = new TracedRequest(call, entry!);
    t.equal(traced.header(headerName('x-user-id')), '7');
    t.same(traced.headerValues(headerName('x-user-id')), ['7']);
    t.equal(traced.header(headerName('baggage')), 'tenant=acme,roost-lane=canary');
    t.equal(traced.header(headerName('cookie')), `sid=${KEY}`, 'of several the one that is a session');
    t.equal(traced.header(headerName('x-other')), undefined, 'nothing but what some service asks for');
  }
});

t.test('finds the session in any of several Cookie lines', async (t) => {
  const memory = new TraceMemory(new OwnTraces(), () => 0);
  const lines: [string, string][] = [
    ['cookie', 'a=b'],
    ['cookie', `c=d; sid=${KEY}`],
  ];
  memory.remember(request(['traceparent', traceparent(1)], ...lines), SOURCES);
  const call = request(['traceparent', traceparent(1)], ['cookie', 'e=f'], ['cookie', 'g=h']);
  const traced = new TracedRequest(call, memory.find(call)!);
  t.equal(traced.header(headerName('cookie')), `e=f; g=h; sid=${KEY}`);
});

t.test('a key is the same session as it was, whatever it is made of', async (t) => {
  const memory = new TraceMemory(new OwnTraces(), () => 0);
  const odd = '\xe9 "\u00ff;,=%20';
  const first = plainRequest({
    path: '/?a=1&uid=%20x',
    headers: [
      ['traceparent', traceparent(1)],
      ['x-user-id', odd],
      ['x-user-id', ''],
      ['x-user-id', 'b'],
      ['baggage', 'tenant=%E9%2C%20'],
    ],
  });
  memory.remember(first, SOURCES);
  const call = request(['traceparent', traceparent(1)]);
  const traced = new TracedRequest(call, memory.find(call)!);
  t.same(
    traced.headerValues(headerName('x-user-id')),
    [utf8Bytes(odd), '', 'b'],
    'each of several values by itself',
  );
  t.equal(readBaggage(traced.header(headerName('baggage')) ?? '', 'tenant'), '\xe9, ');
  t.equal(readParameter(traced.query, 'uid'), '%20x');
});

t.test('keys go on past any number of apps that pass on nothing but the trace', async (t) => {
  const own = request(['traceparent', traceparent(1)]);
  let arriving: RequestView = arrived(1);
  for (let hop = 0; hop < 3; hop++) {
    const memory = new TraceMemory(new OwnTraces(), () => 0);
    memory.remember(arriving, SOURCES);
    const entry = memory.find(own)!;
    const keys = missingKeys(own, entry);
    t.type(keys, 'string');
    arriving = request(['traceparent', traceparent(1)], ['baggage', `roost-keys=${keys}`]);
    t.equal(new TracedRequest(own, entry).header(headerName('x-user-id')), '7', `hop ${hop}`);
    t.equal(new TracedRequest(own, entry).header(headerName('cookie')), `sid=${KEY}`);
  }
  const memory = new TraceMemory(new OwnTraces(), () => 0);
  memory.remember(
    request(['traceparent', traceparent(1)], ['x-user-id', '8'], ['baggage', `roost-keys=${carried('7')}`]),
    SOURCES,
  );
  const traced = new TracedRequest(own, memory.find(own)!);
  t.equal(traced.header(headerName('x-user-id')), '8', 'what the request has itself goes first');
  t.equal(
    missingKeys(arrived(1), memory.find(own)!),
    undefined,
    'an app that passes its key on needs nothing',
  );
});

const carried = (user: string) => formatKeys([{ kind: 'header', name: 'x-user-id', values: [user] }]);

t.test('what is not a list of keys is none', async (t) => {
  const encode = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');
  for (const text of [
    '',
    '!!!',
    'A'.repeat(5000),
    encode(null),
    encode({}),
    encode([1, null, {}, [], ['header'], ['header', 'x-user-id'], ['method', 'x', 'y'], ['header', '', 'x']]),
    encode([
      ['header', 'x-user-id', 'a\r\nEvil: 1'],
      ['header', 'x-user-id', '\u0100'],
      ['header', 'x', 7],
    ]),
    encode([['header', 'x-user-id', 'x'.repeat(513)]]),
  ])
    t.same(parseKeys(text), [], text.slice(0, 20));
  t.same(parseKeys(encode([['header', 'x', 'a'], 'junk'])), [{ kind: 'header', name: 'x', values: ['a'] }]);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((json) => Buffer.from(json).toString('base64url')),
      ),
      (text) => {
        parseKeys(text);
      },
    ),
  );
  const store = new OwnTraces();
  const memory = new TraceMemory(store, () => 0);
  memory.remember(request(['traceparent', traceparent(1)], ['baggage', `roost-keys=${carried('7')}`]), []);
  t.equal(store.size, 0, 'keys that no service asks for are not kept');
});

t.test('what the call says itself goes first', async (t) => {
  const memory = new TraceMemory(new OwnTraces(), () => 0);
  memory.remember(arrived(1), SOURCES);
  const call = request(
    ['traceparent', traceparent(1)],
    ['x-user-id', '8'],
    ['baggage', 'tenant=other'],
    ['cookie', 'sid=own'],
  );
  const traced = new TracedRequest(call, memory.find(call)!);
  t.equal(traced.header(headerName('x-user-id')), '8');
  t.equal(traced.header(headerName('baggage')), 'tenant=other,roost-lane=canary');
  t.equal(traced.header(headerName('cookie')), 'sid=own');
});

t.test('forgets after a minute, and the oldest first when there are too many', async (t) => {
  let now = 0;
  const store = new OwnTraces();
  const memory = new TraceMemory(store, () => now);
  memory.remember(arrived(1), SOURCES);
  now = 60_001;
  t.equal(memory.find(arrived(1)), undefined);
  for (let n = 0; n < 10_500; n++) memory.remember(arrived(n), SOURCES);
  t.ok(store.size <= 10_000, `${store.size}`);
  t.equal(memory.find(arrived(0)), undefined);
  t.ok(memory.find(arrived(10_499)));
});

t.test(
  'remembers nothing of traces that bring nothing, that are none, or whose values are too long',
  async (t) => {
    const store = new OwnTraces();
    const memory = new TraceMemory(store, () => 0);
    memory.remember(request(['traceparent', traceparent(1)], ['x-other', '1']), SOURCES);
    memory.remember(request(['x-user-id', '7']), SOURCES);
    memory.remember(request(['traceparent', 'garbage'], ['x-user-id', '7']), SOURCES);
    memory.remember(request(['traceparent', traceparent(2)], ['x-user-id', 'x'.repeat(513)]), SOURCES);
    t.equal(store.size, 0);
  },
);

t.test('reads trace ids as W3C writes them', async (t) => {
  const id = '0af7651916cd43dd8448eb211c80319c';
  t.equal(traceIdOf(`00-${id}-b7ad6b7169203331-01`), id);
  t.equal(traceIdOf(`cc-${id}-b7ad6b7169203331-01-later-versions-may-add`), id);
  for (const bad of [
    undefined,
    '',
    'x',
    `00-${id}`,
    `00-${id.toUpperCase()}-b7ad6b7169203331-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-${id}-b7ad6b7169203331-01x`,
  ]) {
    t.equal(traceIdOf(bad), undefined, String(bad));
  }
});

t.test('a caller that sends traces without end displaces its own', async (t) => {
  const from = (n: number, sourceIp: string) =>
    plainRequest({
      headers: [
        ['traceparent', traceparent(n)],
        ['x-user-id', 'u'.repeat(500)],
      ],
      sourceIp,
    });
  const memory = new TraceMemory(new OwnTraces(), () => 0);
  const calm = Array.from({ length: 1000 }, (_, n) => from(n, '10.0.0.2'));
  for (const request of calm) memory.remember(request, SOURCES);
  for (let n = 1000; n < 30_000; n++) memory.remember(from(n, '10.0.0.1'), SOURCES);
  t.equal(calm.filter((request) => memory.find(request)).length, 1000);
});
