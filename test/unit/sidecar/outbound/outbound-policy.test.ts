import { createHmac } from 'node:crypto';
import t from 'tap';
import { AppRefusals } from '../../../../sidecar/http/app-refusal.js';
import { FakeEndpoint, fieldValue, fieldValues } from '../../../support/fake-streams.js';
import { OutboundPlay, outsideTo, release } from '../../../support/outbound-play.js';

const HOST = { host: 'checkout.shop' };
const POST = { ...HOST, method: 'POST' };
const V1 = [{ version: 'v1', weight: 1 }];
const one = (route: object = {}, more: object = {}) => ({
  versions: [release('v1', 1, 2)],
  routes: [{ name: 'all', split: V1, ...route }],
  ...more,
});
const FIRST = '10.0.1.1:80';
const SECOND = '10.0.1.2:80';

/** Which endpoint of v1 has the attempt made last, and which does not. */
function tried(play: OutboundPlay, since: readonly number[] = [0, 0]): [FakeEndpoint, FakeEndpoint] {
  const [a, b] = [play.at(FIRST), play.at(SECOND)];
  return a.attempts.length > (since[0] as number) ? [a, b] : [b, a];
}

// ---- where a request goes ----

t.test('without a configuration a request is answered not-ready', async (t) => {
  const { client } = new OutboundPlay(undefined).call();
  t.same([client.response?.status, client.code], [503, 'not-ready']);
});

t.test('a host that no service declares is unknown, a path that no route matches has no route', async (t) => {
  const play = new OutboundPlay(one({ match: [{ path: { prefix: '/api' } }] }));
  t.equal(play.call({ host: 'other.shop' }).client.code, 'unknown-host');
  const { client, policy } = play.call({ ...HOST, target: '/other?x' });
  t.same([client.response?.status, client.code], [404, 'no-route']);
  t.match(client.response?.body, 'GET /other on checkout.shop');
  t.equal(policy.progress.host?.service.label, 'checkout.shop', 'counted for the service');
});

t.test('a request goes to an endpoint of its release, and is recorded', async (t) => {
  const play = new OutboundPlay(one());
  const { client, policy } = play.call({ ...HOST, target: '/x' });
  const [endpoint, other] = tried(play);
  t.same([endpoint.last.line, other.attempts.length], ['GET /x', 0]);
  endpoint.last.answer(200);
  t.equal(client.response?.status, 200);
  t.same(play.finished, [policy]);
  t.match(policy, {
    progress: { placement: { release: { name: 'v1' } } },
    attempts: { endpoint: { address: endpoint.address }, retries: 0 },
  });
});

t.test('a destination that the client meant leads to its service, whatever Host says', async (t) => {
  const play = new OutboundPlay({ ...one(), hosts: ['10.9.9.9'] });
  play.call({ host: 'odd.example', destination: { host: '10.9.9.9', port: 80 } });
  t.equal(tried(play)[0].attempts.length, 1);
});

t.test('a request that was here before is a loop', async (t) => {
  const play = new OutboundPlay(one());
  play.call(HOST);
  const mark = fieldValue(tried(play)[0].last.fields, 'x-roost-via') ?? '';
  t.match(mark, /^[a-z0-9]+$/);
  const { client } = play.call({ ...HOST, fields: [['x-roost-via', mark]] });
  t.same([client.response?.status, client.code], [508, 'loop-detected']);
  t.equal(play.call({ ...HOST, target: '/other', fields: [['x-roost-via', mark]] }).client.code, undefined);
});

t.test('a host outside the mesh is passed on where its destination is known and allowed', async (t) => {
  const play = new OutboundPlay(one(), { passthrough: outsideTo(new FakeEndpoint()) });
  t.equal(play.call({ host: 'out.example' }).client.code, 'unknown-host', 'only Host says where');
  const outside = new FakeEndpoint();
  const open = new OutboundPlay(one(), { passthrough: outsideTo(outside) });
  const { policy } = open.call({ target: 'http://out.example/x', host: 'out.example' });
  t.equal(outside.last.line, 'GET /x');
  t.equal(policy.progress.host, undefined);
  const { client } = open.call({ target: 'http://169.254.169.254/', host: 'x' });
  t.same([client.response?.status, client.code], [403, 'forbidden-destination']);
});

t.test('a host that is not in the table is looked up while the call waits', async (t) => {
  let resume = () => {};
  let cancelled = 0;
  const onDemand = {
    lookUp: (_: string, then: () => void) => {
      resume = then;
      return { kind: 'wait', waitMs: 500, cancel: () => void cancelled++ } as const;
    },
    waitedInVain: () => ({ kind: 'unknown' }) as const,
  };
  const play = new OutboundPlay({ ...one(), hosts: ['late.example'] }, { onDemand });
  const inVain = play.call({ host: 'never.example' });
  t.equal(inVain.client.response, undefined);
  play.after(499, inVain);
  t.equal(inVain.client.response, undefined);
  play.after(1, inVain);
  t.equal(inVain.client.code, 'unknown-host');
  const found = play.call({ host: 'never.example' });
  play.apply({ ...one(), hosts: ['never.example'] });
  resume();
  t.equal(tried(play)[0].attempts.length, 1);
  found.client.leave();
  const before = cancelled;
  play.call({ host: 'other.example' }).client.leave();
  t.equal(cancelled, before + 1, 'a call that its client leaves waits no longer');
});

t.test('too many lookups, or no control plane to ask', async (t) => {
  for (const [found, code] of [
    [{ kind: 'refused', why: 'too many' }, 'overloaded'],
    [{ kind: 'unanswered' }, 'not-ready'],
    [{ kind: 'unknown' }, 'unknown-host'],
  ] as const) {
    const onDemand = { lookUp: () => found, waitedInVain: () => found };
    t.equal(new OutboundPlay(one(), { onDemand }).call({ host: 'x.example' }).client.code, code);
  }
});

// ---- time ----

t.test('a route’s limits hold, or the caller’s where it gives the request less', async (t) => {
  const play = new OutboundPlay(one({ timeout: '2s' }));
  for (const [asked, ms] of [
    [undefined, 2000],
    ['700', 700],
    ['9s', 2000],
    ['soon', 2000],
  ] as const) {
    const call = play.call({ ...HOST, fields: asked === undefined ? [] : [['x-request-timeout', asked]] });
    play.after(ms - 1, call);
    t.equal(call.client.response, undefined);
    play.after(1, call);
    t.equal(call.client.code, 'request-timeout', `${asked}`);
  }
});

// ---- failures ----

t.test('an endpoint that refuses gives way to another of its release, whatever the method', async (t) => {
  const play = new OutboundPlay(one());
  const { client } = play.call(POST);
  const [refusing, other] = tried(play);
  refusing.last.fail('connect', 'ECONNREFUSED');
  t.equal(client.response, undefined);
  t.equal(other.attempts.length, 1);
  other.last.answer(200);
  t.equal(client.response?.status, 200);
});

t.test('when all of a release refuse, its requests go to stable, and then nowhere', async (t) => {
  const spec = {
    versions: [release('v1', 1, 2), release('v2', 2, 1)],
    stable: 'v1',
    routes: [{ name: 'all', split: [{ version: 'v2', weight: 1 }] }],
  };
  const play = new OutboundPlay(spec);
  const { client, policy } = play.call(POST);
  const canary = play.at('10.0.2.1:80');
  canary.last.fail('connect', 'ECONNREFUSED');
  t.match(policy.progress.placement, { releaseReason: 'failover', release: { name: 'v1' } });
  const [first, second] = tried(play);
  first.last.fail('connect', 'ECONNREFUSED');
  second.last.fail('connect', 'ECONNREFUSED');
  t.same([client.response?.status, client.code], [503, 'no-endpoint']);
  t.match(client.response?.body, 'ECONNREFUSED');
  t.equal(canary.attempts.length, 1);
});

t.test('a service with one endpoint says what went wrong with it', async (t) => {
  const play = new OutboundPlay({ versions: [release('v1', 1, 1)] });
  const { client } = play.call(HOST);
  play.at(FIRST).last.fail('connect', 'ECONNREFUSED');
  t.same([client.response?.status, client.code], [502, 'connect-failure']);
  t.match(client.response?.body, 'v1 of checkout.shop: ECONNREFUSED');
});

t.test('without a usable endpoint: no-endpoint, and nothing is tried', async (t) => {
  const play = new OutboundPlay(one());
  for (const address of [FIRST, SECOND]) play.mesh.setUsability(address, 0);
  const { client } = play.call(HOST);
  t.same([client.response?.status, client.code], [503, 'no-endpoint']);
});

t.test('each failure has its answer', async (t) => {
  for (const [kind, status, code] of [
    ['reset', 502, 'upstream-reset'],
    ['stale', 502, 'upstream-reset'],
    ['broken-response', 502, 'upstream-reset'],
    ['bad-response', 502, 'bad-response'],
    ['timeout', 504, 'request-timeout'],
  ] as const) {
    const play = new OutboundPlay(one());
    const { client } = play.call(POST);
    tried(play)[0].last.fail(kind, 'why');
    t.same([client.response?.status, client.code], [status, code], kind);
    t.match(client.response?.body, 'v1 of checkout.shop: why');
  }
});

t.test('a pooled connection found dead: once more on a fresh one, if that is safe', async (t) => {
  for (const [method, again] of [
    ['GET', true],
    ['PUT', true],
    ['POST', false],
  ] as const) {
    const play = new OutboundPlay(one());
    const { client, policy } = play.call({ ...HOST, method });
    const [endpoint, other] = tried(play);
    endpoint.last.fail('stale');
    t.equal(other.attempts.length, 0, 'at the same endpoint');
    t.same([endpoint.attempts.length, client.code], again ? [2, undefined] : [1, 'upstream-reset'], method);
    if (!again) continue;
    t.equal(endpoint.last.fresh, true);
    endpoint.last.answer(200);
    t.same(
      [policy.attempts.retries, endpoint.traffic.failed],
      [0, 0],
      'no retry, and no failure of the endpoint',
    );
  }
});

t.test('a retry goes to another endpoint, after its back-off, as often as the route says', async (t) => {
  const retries = { attempts: 2, on: ['reset'] };
  const play = new OutboundPlay(one({ retries }));
  const call = play.call(HOST);
  const [a, b] = tried(play);
  // Half of (2^1 − 1) × 25 ms.
  play.chances.push(0.9, 0.5, 0.5, 0.5);
  a.last.fail('reset');
  t.equal(b.attempts.length, 0, 'not before its time');
  play.after(24, call);
  t.equal(b.attempts.length, 1);
  b.last.fail('reset');
  play.after(100, call);
  t.equal(a.attempts.length + b.attempts.length, 3);
  tried(play, [1, 1])[0].last.fail('reset');
  t.equal(call.client.code, 'upstream-reset', 'two retries, no third');
  t.equal(call.policy.attempts.retries, 2);
});

t.test(
  'a status that the route retries is retried; what comes of the retry goes to the client',
  async (t) => {
    const play = new OutboundPlay(one({ retries: { attempts: 1, on: ['503'] } }));
    const call = play.call(HOST);
    const [a, b] = tried(play);
    a.last.respond(503, [['x-from', 'a']]);
    play.after(100, call);
    b.last.answer(503, [['x-from', 'b']]);
    t.same(
      [call.client.response?.status, fieldValue(call.client.response?.fields ?? [], 'x-from')],
      [503, 'b'],
    );
    const post = play.call(POST);
    tried(play, [1, 1])[0].last.answer(503);
    t.equal(post.client.response?.status, 503, 'a POST may not be sent twice');
  },
);

t.test('a gRPC call that ends without a message is retried by its status', async (t) => {
  const retries = { attempts: 1, on: ['unavailable'], methods: ['POST'] };
  const play = new OutboundPlay(one({ retries }));
  const unavailable = [['grpc-status', '14']] as const;
  const call = play.call({ ...POST, isGrpc: true });
  const [a, b] = tried(play);
  a.last.respond(200, unavailable);
  play.after(100, call);
  b.last.respond(200);
  b.last.send('a message');
  b.last.finish([['grpc-status', '0']]);
  t.same([call.client.response?.body, call.exchange.outcome.grpcStatus], ['a message', 0]);
  const other = play.call({ ...POST, isGrpc: true });
  tried(play, [1, 1])[0].last.answer(200, [['grpc-status', '5']]);
  t.same([other.client.ended, other.exchange.outcome.grpcStatus], ['complete', 5], 'another status is not');
  const since = [play.at(FIRST).attempts.length, play.at(SECOND).attempts.length];
  const plain = play.call(POST);
  tried(play, since)[0].last.answer(200, unavailable);
  t.same(
    [plain.client.ended, plain.exchange.outcome.grpcStatus],
    ['complete', undefined],
    'nor is another request',
  );
});

t.test('a gRPC status of the server counts against the endpoint, and ours is recorded', async (t) => {
  const play = new OutboundPlay(one());
  const call = play.call({ ...POST, isGrpc: true });
  const [endpoint] = tried(play);
  endpoint.last.respond(200);
  endpoint.last.finish([['grpc-status', '13']]);
  call.policy.attempts.settleLast(call.exchange.outcome, 0);
  t.same([call.exchange.outcome.grpcStatus, endpoint.traffic.failed], [13, 1]);
  const broken = play.call({ ...POST, isGrpc: true });
  const since = [endpoint.attempts.length - 1, 0];
  tried(play, since)[0].last.fail('reset');
  t.same([broken.client.code, broken.exchange.outcome.grpcStatus], ['upstream-reset', 14]);
});

t.test('a gRPC call goes on with the time that it has left', async (t) => {
  const play = new OutboundPlay(one({ timeout: '10s' }));
  play.call({ ...POST, isGrpc: true, fields: [['grpc-timeout', '1H']] });
  const sent = fieldValue(tried(play)[0].last.fields, 'grpc-timeout') ?? '';
  t.match(sent, /^\d+m$/);
  t.ok(Number.parseInt(sent, 10) <= 10_000, sent);
  play.call({ ...POST, fields: [['grpc-timeout', '1H']] });
  const since = play.at(FIRST).attempts.length === 1 ? [1, 0] : [0, 1];
  t.equal(
    fieldValue(tried(play, since)[0].last.fields, 'grpc-timeout'),
    '1H',
    'of another request it is a field as any',
  );
});

t.test('a loop that another sidecar found is not retried', async (t) => {
  const play = new OutboundPlay(one({ retries: { attempts: 3, on: ['5xx'] } }));
  const { client } = play.call(HOST);
  tried(play)[0].last.answer(508, [['x-roost-error', 'loop-detected']]);
  t.equal(client.response?.status, 508);
});

t.test('the budget for retries is the cluster’s, and is given back with the answer', async (t) => {
  const play = new OutboundPlay(one({ retries: { attempts: 2, on: ['reset'] } }));
  const call = play.call(HOST);
  const [a] = tried(play);
  const budget = a.load;
  a.last.fail('reset');
  t.equal(budget.retries, 1);
  play.after(100, call);
  tried(play, [1, 0])[0].last.answer(200);
  t.equal(budget.retries, 0);
  budget.limits = { ...budget.limits, retryBudgetMinimum: 0, retryReservePerSecond: 0 };
  const without = play.call(HOST);
  const again = [play.at(FIRST), play.at(SECOND)].find(({ inHand }) => inHand > 0) as FakeEndpoint;
  again.load.limits = budget.limits;
  again.last.fail('reset');
  t.equal(without.client.code, 'upstream-reset', 'nothing left');
});

t.test('over a limit: another endpoint once, where only the load chose; else overloaded', async (t) => {
  const play = new OutboundPlay(one());
  play.at(FIRST).refusals.push('perEndpointRequests');
  play.at(SECOND).refusals.push('perEndpointRequests');
  const { client } = play.call(HOST);
  t.same([client.response?.status, client.code], [503, 'overloaded']);
  t.equal(fieldValue(client.response?.fields ?? [], 'retry-after'), '1');
  play.at(FIRST).refusals.push('perEndpointRequests');
  play.at(SECOND).refusals.push();
  play.call(HOST);
  play.call(HOST);
  t.equal(play.at(FIRST).inHand + play.at(SECOND).inHand, 2, 'moved to the one with room');
  const whole = new OutboundPlay(one());
  whole.at(FIRST).refusals.push('requests');
  whole.at(SECOND).refusals.push('requests');
  t.equal(whole.call(HOST).client.code, 'overloaded');
  t.equal(whole.at(FIRST).refusals.length + whole.at(SECOND).refusals.length, 1, 'it is the cluster’s');
});

t.test('a session is not sent away from its endpoint for being busy', async (t) => {
  const affinity = { key: [{ header: 'x-user' }], endpoint: 'persistent' };
  const play = new OutboundPlay(one({}, { affinity }));
  const fields = [['x-user', 'u']] as const;
  play.call({ ...HOST, fields });
  const [home, other] = tried(play);
  home.last.answer(200);
  home.refusals.push('perEndpointRequests');
  t.equal(play.call({ ...HOST, fields }).client.code, 'overloaded');
  t.equal(other.attempts.length, 0);
});

t.test('an endpoint is credited with what became of each attempt', async (t) => {
  const play = new OutboundPlay(one({ retries: { attempts: 1, on: ['reset'] } }));
  const call = play.call(HOST);
  const [a, b] = tried(play);
  a.last.fail('reset');
  play.after(100, call);
  b.last.answer(200);
  const now = performance.now();
  call.policy.attempts.settleLast(call.exchange.outcome, now);
  t.match(a.traffic, { succeeded: 0, failed: 1 });
  t.match(b.traffic, { succeeded: 1, failed: 0 });
  const left = play.call(HOST);
  left.client.leave();
  left.policy.attempts.settleLast(left.exchange.outcome, now);
  t.equal(
    a.traffic.succeeded + a.traffic.failed + b.traffic.succeeded + b.traffic.failed,
    2,
    'a call that its client left counts as neither',
  );
});

// ---- sidecars whose app refuses ----

const macOf = (key: string, address: string, id: string) =>
  createHmac('sha256', key).update(`${address}\0${id}`, 'latin1').digest('base64url');

t.test('a sidecar’s word that its app refuses is a refused connection; anyone else’s is not', async (t) => {
  const refusals = new AppRefusals();
  refusals.key = Buffer.from('the key');
  for (const [key, believed, status] of [
    ['the key', true, 502],
    ['another', false, 502],
    // As a caller of gRPC is told.
    ['the key', true, 200],
  ] as const) {
    const play = new OutboundPlay(one(), { refusals });
    const { client } = play.call(POST);
    const [a, b] = tried(play);
    a.last.answer(status, [['x-roost-app-refuses', macOf(key, '10.0.1.1:80', 'an-id')]]);
    t.same([a.appRefusals, b.attempts.length], believed ? [1, 1] : [0, 0], key);
    if (believed) b.last.answer(200);
    t.equal(client.response?.status, believed ? 200 : status);
    t.equal(fieldValue(client.response?.fields ?? [], 'x-roost-app-refuses'), undefined, 'not passed on');
  }
});

// ---- sessions ----

const COOKIE = { cookie: { name: 'sid', ttl: '1h' } };
const setCookies = (client: { response: { fields: Parameters<typeof fieldValues>[0] } | undefined }) =>
  fieldValues(client.response?.fields ?? [], 'set-cookie');

t.test('a session that begins is given its cookie; one that comes back keeps its place', async (t) => {
  const affinity = { key: [COOKIE], version: 'persistent', endpoint: 'persistent' };
  const play = new OutboundPlay(one({}, { affinity }));
  const { client } = play.call(HOST);
  const [home, other] = tried(play);
  home.last.answer(200, [['set-cookie', 'own=1']]);
  const [own, issued = ''] = setCookies(client);
  t.equal(own, 'own=1');
  t.match(issued, /^sid=[^;]+; Path=\/; Max-Age=3600; /);
  const cookie = issued.split(';')[0] ?? '';
  for (let n = 0; n < 5; n++) {
    const again = play.call({ ...HOST, fields: [['cookie', cookie]] });
    home.last.answer(200);
    t.same(setCookies(again.client), [], 'it has it already');
  }
  t.equal(other.attempts.length, 0);
});

t.test('a cookie that the upstream sets itself is left alone', async (t) => {
  const play = new OutboundPlay(one({}, { affinity: { key: [COOKIE] } }));
  const { client } = play.call(HOST);
  tried(play)[0].last.answer(200, [['set-cookie', 'sid=theirs']]);
  t.same(setCookies(client), ['sid=theirs']);
});

t.test('an answer of the sidecar’s own begins no session', async (t) => {
  const play = new OutboundPlay(one({}, { affinity: { key: [COOKIE] } }));
  const { client } = play.call(HOST);
  tried(play)[0].last.fail('reset');
  t.same([client.response?.status, setCookies(client)], [502, []]);
});

t.test('a session is pinned to the endpoint that answered, not to the one that failed', async (t) => {
  const affinity = { key: [{ header: 'x-user' }], version: 'persistent', endpoint: 'persistent' };
  const play = new OutboundPlay(one({ retries: { attempts: 1, on: ['reset'] } }, { affinity }));
  const request = { ...HOST, fields: [['x-user', 'u']] } as const;
  const call = play.call(request);
  const [failing, answering] = tried(play);
  failing.last.fail('reset');
  play.after(100, call);
  answering.last.answer(200);
  play.call(request);
  t.equal(answering.attempts.length, 2);
});

t.test('the first call waits for pins that other sidecars may have', async (t) => {
  const affinity = { key: [{ header: 'x-user' }], version: 'persistent', endpoint: 'persistent' };
  let resume = () => {};
  const fleetPins = {
    perService: true,
    note() {},
    await: (_: string, _key: bigint, then: () => void) => {
      resume = then;
      return { waitMs: 200, cancel() {} };
    },
  };
  const play = new OutboundPlay(one({}, { affinity }), { fleetPins });
  const request = { ...HOST, fields: [['x-user', 'u']] } as const;
  const attempts = () => play.at(FIRST).attempts.length + play.at(SECOND).attempts.length;
  play.call(request);
  t.equal(attempts(), 0);
  resume();
  t.equal(attempts(), 1);
  const timed = play.call({ ...HOST, fields: [['x-user', 'v']] });
  play.after(200, timed);
  t.equal(attempts(), 2, 'and no longer than that');
});

t.test('the lane of the release goes on, and so does the rest of the baggage', async (t) => {
  const play = new OutboundPlay({ versions: [release('v1', 1, 1, { lane: 'canary' })] });
  play.call({ ...HOST, fields: [['baggage', 'a=b']] });
  t.equal(fieldValue(play.at(FIRST).last.fields, 'baggage'), 'a=b,roost-lane=canary');
});

// ---- what routes do ----

t.test('a route changes what goes to the upstream and what comes back', async (t) => {
  const headers = {
    request: { set: { 'x-a': '1' }, remove: ['x-gone'] },
    response: { add: { 'x-b': '2' }, remove: ['server'] },
  };
  const play = new OutboundPlay(one({ headers, rewrite: { prefix: '/new', host: 'inside.example' } }));
  const { client } = play.call({ ...HOST, target: '/x?y', fields: [['x-gone', '1']] });
  const [endpoint] = tried(play);
  t.match(endpoint.last.line, /^GET \/new\/?x\?y$/);
  const sent = endpoint.last.fields;
  t.same(
    [fieldValue(sent, 'x-a'), fieldValue(sent, 'x-gone'), fieldValue(sent, 'host')],
    ['1', undefined, 'inside.example'],
  );
  endpoint.last.answer(200, [['server', 'x']]);
  const got = client.response?.fields ?? [];
  t.same([fieldValue(got, 'x-b'), fieldValue(got, 'server')], ['2', undefined]);
});

t.test('a redirect is an answer without an error', async (t) => {
  const redirect = { host: 'new.example', path: '/there', status: 308 };
  const headers = { response: { set: { 'cache-control': 'no-store' } } };
  const play = new OutboundPlay({
    versions: [release('v1', 1, 1)],
    routes: [{ name: 'all', redirect, headers }],
  });
  const { client, exchange } = play.call(HOST);
  t.same([client.response?.status, client.code, exchange.outcome.error], [308, undefined, undefined]);
  const fields = client.response?.fields ?? [];
  t.same(
    [fieldValue(fields, 'location'), fieldValue(fields, 'cache-control')],
    ['http://new.example/there', 'no-store'],
  );
  t.same(play.actions, { redirected: 1 });
});

t.test('a fault befalls a request once: a delay, then an abort', async (t) => {
  const fault = { delay: { duration: '100ms' }, abort: { status: 418 } };
  const play = new OutboundPlay(one({ fault }));
  const call = play.call(HOST);
  t.equal(call.client.response, undefined);
  play.after(100, call);
  t.same([call.client.response?.status, call.client.code], [418, 'fault-injected']);
  t.same(play.actions, { delayed: 1, aborted: 1 });
});

// ---- mirrors ----

const MIRRORED = {
  versions: [release('v1', 1, 1), release('v2', 2, 1, { lane: 'canary' })],
  routes: [{ name: 'all', split: V1, mirror: { version: 'v2' } }],
};
const SHADOW = '10.0.2.1:80';

t.test('a copy is sent once the whole request is there, for the mirror’s own lane', async (t) => {
  const play = new OutboundPlay(MIRRORED);
  const { client } = play.call({ ...POST, target: '/x', hasBody: true });
  client.send('body');
  t.equal(play.at(SHADOW).attempts.length, 0);
  client.finish();
  const copy = play.at(SHADOW).last;
  t.same([copy.line, copy.body], ['POST /x', 'body']);
  t.same(
    [fieldValue(copy.fields, 'host'), fieldValue(copy.fields, 'baggage')],
    ['checkout.shop', 'roost-lane=canary'],
  );
  play.at(FIRST).last.answer(200);
  copy.answer(500);
  t.equal(client.response?.status, 200);
  t.same(play.actions, { mirrored: 1 });
});

t.test('chance decides of each request whether it is copied', async (t) => {
  const routes = [{ name: 'all', split: V1, mirror: { version: 'v2', percent: 25 } }];
  const play = new OutboundPlay({ ...MIRRORED, routes });
  const copies = () => play.at(SHADOW).attempts.length;
  play.services.context.random = () => 0.25;
  play.call(HOST);
  t.equal(copies(), 0);
  play.services.context.random = () => 0.24;
  play.call(HOST);
  t.equal(copies(), 1);
});

t.test(
  'a request whose protocol is switched is not copied; one that only offers is, without the offer',
  async (t) => {
    const play = new OutboundPlay(MIRRORED);
    const request = { ...HOST, upgrade: 'websocket' };
    play.call(request);
    t.equal(play.at(SHADOW).attempts.length, 0, 'only the answer decides');
    play.at(FIRST).last.answer(200);
    t.equal(fieldValue(play.at(SHADOW).last.fields, 'upgrade'), undefined);
    play.at(SHADOW).last.answer(200);
    play.call(request);
    play.at(FIRST).last.respond(101, [['upgrade', 'websocket']]);
    t.equal(play.at(SHADOW).attempts.length, 1);
    t.same(play.actions, { mirrored: 1, 'mirror-skipped': 1 });
  },
);

t.test('what is not kept is not copied: a long body, or one that its answer overtook', async (t) => {
  const play = new OutboundPlay(MIRRORED);
  const long = play.call({ ...POST, hasBody: true }).client;
  long.send('x'.repeat(65_537));
  long.finish();
  const early = play.call({ ...POST, hasBody: true }).client;
  play.at(FIRST).last.respond(200);
  early.finish();
  t.same([play.at(SHADOW).attempts.length, play.actions], [0, { 'mirror-skipped': 2 }]);
});

t.test('a copy has no say: its failure, its limit and its time are its own', async (t) => {
  const play = new OutboundPlay(MIRRORED);
  play.call(HOST);
  play.at(SHADOW).last.fail('reset');
  play.at(SHADOW).refusals.push('requests');
  play.call(HOST);
  const { client } = play.call(HOST);
  play.nowMs += 15_000;
  play.services.mirrors.checkDeadlines(play.nowMs);
  t.equal(play.at(SHADOW).last.ended, 'aborted');
  t.equal(client.response, undefined);
  t.same(play.actions, { 'mirror-failed': 2, 'mirror-skipped': 1 });
  t.equal(play.at(SHADOW).inHand, 0);
});
