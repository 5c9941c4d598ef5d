import t from 'tap';
import { SharedTraces, sharedTraceMemory } from '../../../../sidecar/session/shared-traces.js';
import { TracedRequest, TraceMemory } from '../../../../sidecar/session/trace-memory.js';
import { OwnTraces } from '../../../../sidecar/session/trace-store.js';
import { headerName } from '../../../../src/http/header-name.js';
import { traceIdOf } from '../../../../src/http/trace-context.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import type { KeySourceConfig } from '../../../../src/xds/hash-policy.js';

const traceparent = (n: number) => `00-${String(n).padStart(32, 'a')}-b7ad6b7169203331-01`;
const SOURCES: KeySourceConfig[] = [
  { kind: 'header', name: 'x-user-id' },
  { kind: 'baggage', name: 'tenant' },
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
    ['cookie', 'a=b; sid=xyz'],
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
    t.equal(traced.header(headerName('cookie')), 'sid=xyz');
    t.equal(traced.header(headerName('x-other')), undefined, 'nothing but what some service asks for');
  }
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
