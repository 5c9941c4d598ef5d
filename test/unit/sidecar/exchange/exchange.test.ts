import t from 'tap';
import { Exchange } from '../../../../sidecar/exchange/exchange.js';
import type { Forwarder, Step } from '../../../../sidecar/exchange/forwarder.js';
import { DEFAULT_LIMITS, type HttpLimits } from '../../../../sidecar/http/limits.js';
import type { UpstreamFailure } from '../../../../sidecar/http/upstream-failure.js';
import { FakeClient, FakeEndpoint, type FakeRequest, fieldValue } from '../../../support/fake-streams.js';

const NOT_KEPT = { code: 'no-route', detail: 'of the policy' } as const;

interface Script {
  readonly request?: FakeRequest;
  readonly limits?: Partial<HttpLimits>;
  readonly timeouts?: Partial<Forwarder['timeouts']>;
  /** What comes first. */
  readonly begin?: Step;
}

/** One exchange whose policy does what a test says, and remembers what it was asked. */
class Play {
  readonly client: FakeClient;
  readonly a = new FakeEndpoint();
  readonly b = new FakeEndpoint();
  readonly failures: UpstreamFailure[] = [];
  readonly statuses: number[] = [];
  finished = 0;
  nowMs = 1000;
  /** What follows the next failures, and the next responses; after that, an answer, and the response itself. */
  afterFailure: Step[] = [];
  afterResponse: (Step | undefined)[] = [];
  /** Of the next attempt. */
  baggage: string | undefined;
  readonly exchange: Exchange;

  constructor({ request = {}, limits = {}, timeouts = {}, begin }: Script = {}) {
    this.client = new FakeClient(request);
    const play = this;
    const policy: Forwarder = {
      timeouts: { requestMs: 0, perTryMs: 0, idleMs: 0, ...timeouts },
      begin: () => begin ?? this.toward(this.a),
      afterFailure(_, failure) {
        play.failures.push(failure);
        return play.afterFailure.shift() ?? { reply: { code: 'upstream-reset', detail: failure.reason } };
      },
      afterResponse(_, { status }) {
        play.statuses.push(status);
        return play.afterResponse.shift();
      },
      requestEdits: () => ({ requestId: () => 'an-id', baggage: play.baggage }),
      addedFields: () => [['x-added', '1']],
      responseChanges: undefined,
      finished: () => {
        play.finished++;
      },
    };
    const settings = { limits: { ...DEFAULT_LIMITS, ...limits }, nowMs: () => this.nowMs };
    this.exchange = new Exchange(this.client.stream, settings, policy);
  }

  toward(endpoint: FakeEndpoint, options: { delayMs?: number; fresh?: boolean } = {}): Step {
    return { target: { endpoint, delayMs: 0, fresh: false, ...options } };
  }

  begin(): this {
    this.client.begin(this.exchange);
    return this;
  }

  /** Lets time pass, and has deadlines looked at. */
  after(ms: number): void {
    this.nowMs += ms;
    this.exchange.checkDeadlines(this.nowMs);
  }
}

const POST: FakeRequest = { method: 'POST', hasBody: true };

t.test('a request goes to its target, and the response comes back', async (t) => {
  const { client, a, exchange, ...play } = new Play({ request: { target: '/x?y' } }).begin();
  t.equal(a.last.line, 'GET /x?y');
  t.equal(fieldValue(a.last.fields, 'x-request-id'), 'an-id');
  a.last.answer(200, [['x-own', 'yes']], 'hello');
  t.match(client.response, { status: 200, body: 'hello' });
  t.equal(fieldValue(client.response?.fields ?? [], 'x-own'), 'yes');
  t.equal(fieldValue(client.response?.fields ?? [], 'x-added'), '1');
  t.equal(client.ended, 'complete');
  t.equal(a.inHand, 0);
  t.same(play.statuses, [200]);
  t.match(exchange, { attempts: 1, outcome: { status: 200, cutOff: '', responseBytes: 5 } });
});

t.test('the policy is told once that it is over, however it ends', async (t) => {
  const endings: Readonly<Record<string, (play: Play) => void>> = {
    answered: ({ a }) => a.last.answer(200),
    failed: ({ a }) => a.last.fail('reset'),
    'cut off by the client': ({ client }) => client.leave(),
    'cut off by the upstream': ({ a }) => {
      a.last.respond(200);
      a.last.turnEnd();
      a.last.fail('broken-response');
    },
  };
  for (const [ending, end] of Object.entries(endings)) {
    const play = new Play().begin();
    end(play);
    play.client.leave();
    play.after(10_000_000);
    t.same([play.finished, play.a.inHand], [1, 0], ending);
  }
});

t.test('a request with nowhere to go is answered at once', async (t) => {
  const { client, a, exchange } = new Play({ begin: { reply: NOT_KEPT } }).begin();
  t.match(client.response, { status: 404, body: 'no route matches: of the policy\n' });
  t.same([client.code, client.ended, a.attempts.length], ['no-route', 'complete', 0]);
  t.match(exchange.outcome, { status: 404, error: NOT_KEPT });
});

t.test('an answer to HEAD has no body; one to half a request ends the connection', async (t) => {
  const head = new Play({ request: { method: 'HEAD' }, begin: { reply: NOT_KEPT } }).begin();
  t.match(head.client.response, { status: 404, body: '' });
  const half = new Play({ request: POST, begin: { reply: NOT_KEPT } }).begin();
  t.equal(half.client.ended, 'cut-short');
});

t.test('the body follows the head to the upstream as it comes', async (t) => {
  const { client, a, exchange } = new Play({ request: POST }).begin();
  client.send('one,');
  client.send('two');
  t.equal(a.last.body, 'one,two');
  client.finish();
  a.last.answer(201);
  t.match(exchange.outcome, { status: 201, requestBytes: 7 });
});

t.test('after a failure, the next attempt gets the head and all of the body so far', async (t) => {
  const play = new Play({ request: POST }).begin();
  play.client.send('one,');
  play.afterFailure = [play.toward(play.b)];
  play.a.last.fail('reset');
  t.same([play.b.last.line, play.b.last.body], ['POST /', 'one,']);
  play.client.send('two');
  play.client.finish();
  t.equal(play.b.last.body, 'one,two');
  play.b.last.answer(200);
  t.match(play.client.response, { status: 200 });
  t.same([play.exchange.attempts, play.failures.length, play.a.inHand, play.b.inHand], [2, 1, 0, 0]);
  t.equal(play.a.counters.resets, 1);
});

t.test('a response that the policy does not want goes nowhere', async (t) => {
  const play = new Play().begin();
  play.afterResponse = [play.toward(play.b)];
  play.a.last.respond(503, [['x-own', 'no']]);
  t.same([play.a.last.ended, play.a.inHand], ['discarded', 0]);
  play.b.last.answer(200);
  t.same([play.client.response?.status, play.client.interims.length], [200, 0]);
  t.same(play.statuses, [503, 200]);
});

t.test('a stale connection gives way to a fresh one', async (t) => {
  const play = new Play().begin();
  t.equal(play.a.last.fresh, false);
  play.afterFailure = [play.toward(play.a, { fresh: true })];
  play.a.last.fail('stale');
  t.same([play.a.attempts.length, play.a.last.fresh], [2, true]);
});

t.test('the head is the same in every attempt, but where its lane differs', async (t) => {
  const play = new Play().begin();
  play.afterFailure = [play.toward(play.b), play.toward(play.a)];
  play.a.last.fail('reset');
  t.same(play.b.last.fields, play.a.last.fields);
  play.baggage = 'roost-lane=canary';
  play.b.last.fail('reset');
  t.equal(fieldValue(play.a.last.fields, 'baggage'), 'roost-lane=canary');
});

t.test('a request can be sent again until its response begins', async (t) => {
  const { client, a, exchange } = new Play({ request: POST }).begin();
  client.send('body');
  t.equal(exchange.canReplay, true);
  a.last.respond(200);
  t.equal(exchange.canReplay, false);
});

t.test('a body beyond the bound is not kept, and cannot be sent again', async (t) => {
  const play = new Play({ request: POST, limits: { maxReplayBytes: 5 } }).begin();
  play.client.send('12345');
  t.equal(play.exchange.canReplay, true);
  play.client.send('6');
  t.equal(play.exchange.canReplay, false);
  t.equal(play.a.last.body, '123456', 'it goes on all the same');
});

t.test('what comes between two attempts waits for the next one, whatever its size', async (t) => {
  const play = new Play({ request: POST, limits: { maxReplayBytes: 5 } }).begin();
  play.client.send('123');
  play.afterFailure = [play.toward(play.b, { delayMs: 50 })];
  play.a.last.fail('reset');
  play.client.send('more than five');
  t.equal(play.client.paused, true, 'and nothing else is read meanwhile');
  play.after(50);
  t.equal(play.b.last.body, '123more than five');
  t.equal(play.client.paused, false);
});

t.test('an attempt that does not connect in time fails as one that sent nothing', async (t) => {
  const play = new Play();
  play.a.connected = false;
  play.begin();
  play.afterFailure = [play.toward(play.b)];
  play.after(999);
  t.same(play.failures, []);
  play.after(1);
  t.same(play.failures, [{ kind: 'connect', reason: 'no connection in time' }]);
  t.equal(play.b.attempts.length, 1);
});

t.test('the time of a try runs while it connects, too', async (t) => {
  const play = new Play({ timeouts: { perTryMs: 300 } });
  play.a.connected = false;
  play.begin();
  play.after(300);
  t.same(play.failures, [{ kind: 'connect', reason: 'no response in time' }], 'nothing was sent');
});

t.test('a connection that is made in time has its whole time to answer', async (t) => {
  const play = new Play();
  play.a.connected = false;
  play.begin();
  play.after(999);
  play.a.last.connect();
  play.after(5000);
  t.same(play.failures, []);
});

t.test('each try has its own time', async (t) => {
  const play = new Play({ timeouts: { perTryMs: 300 } }).begin();
  play.afterFailure = [play.toward(play.b)];
  play.after(299);
  t.same(play.failures, []);
  play.after(1);
  t.same(play.failures, [{ kind: 'timeout', reason: 'no response in time' }]);
  play.after(299);
  t.equal(play.failures.length, 1);
  play.b.last.respond(200);
  play.after(5000);
  t.equal(play.failures.length, 1, 'a response that has begun may take longer');
});

t.test('the whole request has a time: 504 before the response, a reset in it', async (t) => {
  const before = new Play({ timeouts: { requestMs: 1000 } }).begin();
  before.after(999);
  t.equal(before.client.response, undefined);
  before.after(1);
  t.same([before.client.response?.status, before.client.code], [504, 'request-timeout']);
  t.same([before.a.last.ended, before.a.results], ['cancelled', [false]], 'counts against the endpoint');
  const during = new Play({ timeouts: { requestMs: 1000 } }).begin();
  during.a.last.respond(200);
  during.a.last.turnEnd();
  during.after(1000);
  t.same([during.client.ended, during.a.last.ended], ['reset', 'cancelled']);
  t.match(during.exchange.outcome, { status: 200, cutOff: 'timeout', error: undefined });
});

t.test('a request that its client has not finished does not count against the endpoint', async (t) => {
  const play = new Play({ request: POST, timeouts: { requestMs: 1000 } }).begin();
  play.after(1000);
  t.same([play.client.code, play.a.results], ['request-timeout', []]);
});

t.test('without a byte either way for long enough it is over', async (t) => {
  for (const [limits, timeouts, ms] of [
    [{ streamIdleTimeoutMs: 700 }, {}, 700],
    [{ streamIdleTimeoutMs: 700 }, { idleMs: 200 }, 200],
  ] as const) {
    const play = new Play({ request: POST, limits, timeouts }).begin();
    play.after(ms - 1);
    play.client.send('x');
    play.after(ms - 1);
    play.a.last.respond(102);
    play.after(ms - 1);
    play.a.last.respond(200);
    play.after(ms - 1);
    play.a.last.send('y');
    play.after(ms - 1);
    t.equal(play.client.ended, undefined);
    play.after(1);
    t.same([play.client.ended, play.exchange.outcome.cutOff], ['reset', 'timeout'], `${ms} ms`);
  }
  const endless = new Play({ limits: { streamIdleTimeoutMs: 0 } }).begin();
  endless.after(1e9);
  t.equal(endless.client.ended, undefined, '0: none');
});

t.test('a client that leaves takes its attempt with it', async (t) => {
  for (const [by, cutOff] of [
    [undefined, 'client'],
    ['sidecar', 'sidecar'],
  ] as const) {
    const { client, a, exchange } = new Play().begin();
    client.leave(by);
    t.same([a.last.ended, a.inHand, exchange.outcome.cutOff], ['cancelled', 0, cutOff]);
    t.same([exchange.outcome.status, exchange.outcome.error], [0, undefined]);
  }
});

t.test('an upstream that takes no more has the client paused until it does', async (t) => {
  const { client, a } = new Play({ request: POST }).begin();
  t.equal(client.paused, false);
  a.last.congested = true;
  client.send('x');
  t.equal(client.paused, true);
  a.last.drain();
  t.equal(client.paused, false);
});

t.test('a client that takes no more has the upstream paused until it does', async (t) => {
  const { client, a } = new Play().begin();
  a.last.respond(200);
  client.congested = true;
  a.last.send('x');
  a.last.turnEnd();
  t.equal(a.last.paused, true);
  client.drain();
  t.equal(a.last.paused, false);
});

t.test('interim responses go on, and the final one is still to come', async (t) => {
  const play = new Play().begin();
  play.a.last.respond(102);
  play.a.last.respond(103, [['link', '</x>']]);
  play.a.last.turnEnd();
  t.same(play.client.interims, [102, 103]);
  t.equal(play.exchange.canReplay, true);
  play.a.last.answer(200);
  t.equal(play.client.response?.status, 200);
});

t.test('a protocol that the client offered is switched to, and bytes go both ways', async (t) => {
  const { client, a, exchange } = new Play({ request: { upgrade: 'websocket, chat' } }).begin();
  a.last.respond(101, [['upgrade', 'WebSocket']]);
  a.last.turnEnd();
  t.same([client.response?.status, client.tunnel], [101, 'open']);
  client.sendThroughTunnel('ping');
  a.last.sendThroughTunnel('pong');
  t.match(client.response, { body: 'pong' });
  t.match(a.last.body, /ping$/);
  a.last.endTunnel();
  t.equal(client.tunnel, 'half-closed');
  client.endTunnel();
  t.equal(a.last.tunnelEnded, true);
  a.last.closeTunnel();
  t.same([client.ended, a.inHand], ['complete', 0]);
  t.match(exchange.outcome, { status: 101, requestBytes: 4, responseBytes: 4, cutOff: '' });
});

t.test('a protocol that the client did not offer is a bad response', async (t) => {
  for (const request of [{}, { upgrade: 'chat' }, { upgrade: 'h2c' }]) {
    const play = new Play({ request }).begin();
    play.a.last.respond(101, [['upgrade', request.upgrade === 'h2c' ? 'h2c' : 'websocket']]);
    t.equal(play.failures[0]?.kind, 'bad-response', JSON.stringify(request));
    t.equal(play.client.response?.status, 502);
  }
});

t.test('a tunnel lives as long as bytes go through, and half a tunnel as long as an answer', async (t) => {
  const limits = { tunnelIdleTimeoutMs: 5000, streamIdleTimeoutMs: 700 };
  const whole = new Play({ request: { upgrade: 'x' }, limits }).begin();
  whole.a.last.respond(101, [['upgrade', 'x']]);
  whole.after(4999);
  whole.a.last.sendThroughTunnel('y');
  whole.after(4999);
  t.equal(whole.client.ended, undefined);
  whole.after(1);
  t.same([whole.client.ended, whole.a.last.ended], ['reset', 'cancelled']);
  const half = new Play({ request: { upgrade: 'x' }, limits }).begin();
  half.a.last.respond(101, [['upgrade', 'x']]);
  half.client.endTunnel();
  half.after(700);
  t.equal(half.client.ended, 'reset');
  const other = new Play({ request: { upgrade: 'x' }, limits }).begin();
  other.a.last.respond(101, [['upgrade', 'x']]);
  other.after(4000);
  other.client.sendThroughTunnel('z');
  other.after(4000);
  t.equal(other.client.ended, undefined, 'bytes of the client count, too');
  other.a.last.endTunnel();
  other.after(1);
  t.equal(other.client.ended, 'reset', 'the upstream has ended its half');
});

t.test('a tunnel that its client has ended in order is closed, not cut off', async (t) => {
  for (const [orderly, ended, cutOff] of [
    [true, 'closed-soon', ''],
    [false, 'cancelled', 'client'],
  ] as const) {
    const { client, a, exchange } = new Play({ request: { upgrade: 'x' } }).begin();
    a.last.respond(101, [['upgrade', 'x']]);
    client.endedOrderly = orderly;
    client.leave();
    t.same([a.last.ended, exchange.outcome.cutOff], [ended, cutOff]);
  }
});

t.test('an error before the end of the request, by an upstream that closes: no more is sent', async (t) => {
  for (const [status, closes, sent] of [
    [413, true, 'one,'],
    [413, false, 'one,two'],
    [200, true, 'one,two'],
  ] as const) {
    const { client, a } = new Play({ request: POST }).begin();
    client.send('one,');
    a.last.respond(status, [], { closes });
    client.send('two');
    t.equal(a.last.body, sent, `${status} ${closes}`);
    a.last.finish();
    t.equal(client.ended, 'cut-short', 'the rest of the request is on its way');
  }
});

t.test('a response that breaks off resets the client, which must not take it for whole', async (t) => {
  const { client, a, exchange, failures } = new Play().begin();
  a.last.respond(200);
  a.last.send('hel');
  a.last.turnEnd();
  a.last.fail('broken-response');
  t.same([client.ended, failures], ['reset', []]);
  t.match(exchange.outcome, { status: 200, cutOff: 'upstream', responseBytes: 3 });
});

t.test('one that breaks off in the event of its head is withdrawn: a bad response', async (t) => {
  const play = new Play().begin();
  play.a.last.respond(200);
  play.a.last.send('hel');
  play.a.last.fail('broken-response', 'a chunk has no size');
  t.same(play.failures, [{ kind: 'bad-response', reason: 'a chunk has no size' }]);
  t.same([play.client.response?.status, play.client.code], [502, 'upstream-reset']);
  t.match(play.exchange.outcome, { status: 502, responseBytes: 0, cutOff: '' });
});

t.test('an attempt after a withdrawn response is like any other', async (t) => {
  const play = new Play().begin();
  play.afterFailure = [play.toward(play.b)];
  play.a.last.respond(200);
  play.a.last.fail('broken-response');
  play.b.last.fail('reset');
  t.same([play.client.ended, play.client.code, play.failures.length], ['complete', 'upstream-reset', 2]);
});

t.test('a limit that is met is a failure of its own kind, and nothing is sent', async (t) => {
  const play = new Play();
  play.a.refusals.push('requests');
  play.afterFailure = [{ reply: { code: 'overloaded', detail: 'x' } }];
  play.begin();
  t.match(play.failures, [
    { kind: 'overloaded', limit: 'requests', reason: /requests in flight, the limit/ },
  ]);
  t.same([play.client.code, play.a.attempts.length, play.a.inHand], ['overloaded', 0, 0]);
});

t.test('where another worker makes room, the attempt waits, and not for ever', async (t) => {
  const made = new Play();
  made.a.refusals.push('room-is-made', 'room-is-made');
  made.begin();
  made.after(1);
  t.equal(made.a.attempts.length, 0);
  made.after(1);
  t.equal(made.a.attempts.length, 1);
  const never = new Play();
  never.a.refusals.push(...Array<'room-is-made'>(1000).fill('room-is-made'));
  never.begin();
  for (let ms = 0; ms < 500; ms++) never.after(1);
  t.equal(never.a.attempts.length, 1, 'asked once more without patience');
});

t.test('a wait ends with its time, or when it is woken, once', async (t) => {
  let steps = 0;
  const begin = (play: () => Play): Step => ({
    waitMs: 100,
    afterwards: () => {
      steps++;
      return play().toward(play().a);
    },
  });
  const timed: Play = new Play({ begin: begin(() => timed) }).begin();
  timed.after(99);
  t.equal(timed.a.attempts.length, 0);
  timed.after(1);
  t.equal(timed.a.attempts.length, 1);
  const woken: Play = new Play({ begin: begin(() => woken) }).begin();
  woken.exchange.wake();
  woken.exchange.wake();
  woken.after(1000);
  t.same([woken.a.attempts.length, steps], [1, 2]);
  const left: Play = new Play({ begin: begin(() => left) }).begin();
  left.client.leave();
  left.exchange.wake();
  left.after(1000);
  t.same([left.a.attempts.length, steps], [0, 2], 'the client has left');
});

t.test('the whole request is announced when it is there, or at once', async (t) => {
  const { client, exchange, a } = new Play({ request: POST }).begin();
  const told: boolean[] = [];
  exchange.whenWhole(({ intact }) => told.push(intact));
  client.send('x');
  t.same(told, []);
  client.finish();
  t.same(told, [true]);
  exchange.whenWhole(({ intact }) => told.push(intact));
  t.same(told, [true, true]);
  a.last.answer(200);
  const early = new Play({ request: POST }).begin();
  early.exchange.whenWhole(({ intact }) => told.push(intact));
  early.a.last.respond(200);
  early.client.finish();
  t.equal(told.at(-1), false, 'the response began first: it is not kept any more');
});

t.test('whether the protocol is switched is told once, while the request is kept', async (t) => {
  const seen = (request: FakeRequest, end: (play: Play) => void) => {
    const told: [boolean, boolean][] = [];
    const play = new Play({ request }).begin();
    play.exchange.whenDecided((switches) => told.push([switches, play.exchange.canReplay]));
    end(play);
    play.client.leave();
    return told;
  };
  const upgrade = 'x';
  t.same(
    seen({ upgrade }, ({ a }) => a.last.respond(101, [['upgrade', 'x']])),
    [[true, true]],
  );
  t.same(
    seen({ upgrade }, ({ a }) => a.last.respond(200)),
    [[false, true]],
  );
  t.same(
    seen({ upgrade }, () => {}),
    [[false, true]],
  );
});
