import { createHmac } from 'node:crypto';
import t from 'tap';
import { Exchange } from '../../../../sidecar/exchange/exchange.js';
import type { Call } from '../../../../sidecar/exchange/forwarder.js';
import { AppRefusals } from '../../../../sidecar/http/app-refusal.js';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import { LoopMarks } from '../../../../sidecar/http/loop-marks.js';
import { InboundForwarder, type InboundServices } from '../../../../sidecar/inbound/inbound-forwarder.js';
import type { RequestView } from '../../../../src/routing/request-view.js';
import { FakeClient, FakeEndpoint, type FakeRequest, fieldValue } from '../../../support/fake-streams.js';

/** An inbound sidecar whose app and callers a test plays. */
class Play {
  readonly app = new FakeEndpoint();
  /** The app's address does not depend on where connections were going: they are not redirected. */
  readonly apps = { at: () => this.app } as unknown as InboundServices['apps'];
  readonly refusals = new AppRefusals();
  readonly arrived: RequestView[] = [];
  readonly finished: Call[] = [];
  private readonly services: InboundServices = {
    apps: this.apps,
    appsOverHttp2: this.apps,
    refusals: this.refusals,
    loops: new LoopMarks(1n),
    newRequestId: () => 'an-id',
    onArrived: (request) => void this.arrived.push(request),
    onFinished: (exchange) => void this.finished.push(exchange),
  };

  call(request: FakeRequest = {}): { client: FakeClient; exchange: Exchange } {
    const client = new FakeClient(request);
    const settings = { limits: DEFAULT_LIMITS, nowMs: () => 0 };
    const exchange = new Exchange(client.stream, settings, new InboundForwarder(this.services));
    client.begin(exchange);
    return { client, exchange };
  }
}

t.test('every request goes to the app, and what it arrived with is remembered', async (t) => {
  const play = new Play();
  const { client, exchange } = play.call({ host: 'any.example', target: '/x' });
  t.equal(play.app.last.line, 'GET /x');
  t.same(
    play.arrived.map(({ path }) => path),
    ['/x'],
  );
  play.app.last.answer(503, [], 'busy');
  t.match(client.response, { status: 503, body: 'busy' });
  t.same([play.finished, play.app.attempts.length], [[exchange], 1], 'retries are the caller’s');
});

t.test('a request that was here before is a loop, and does not reach the app', async (t) => {
  const play = new Play();
  play.call();
  const mark = fieldValue(play.app.last.fields, 'x-roost-via') ?? '';
  const { client } = play.call({ fields: [['x-roost-via', mark]] });
  t.same([client.response?.status, client.code], [508, 'loop-detected']);
  t.same([play.app.attempts.length, play.arrived.length], [1, 1]);
});

t.test('a pooled connection found dead: once more on a fresh one, if that is safe', async (t) => {
  for (const [method, again] of [
    ['GET', true],
    ['DELETE', true],
    ['POST', false],
  ] as const) {
    const play = new Play();
    const { app } = play;
    const { client } = play.call({ method });
    app.last.fail('stale');
    t.same([app.attempts.length, client.code], again ? [2, undefined] : [1, 'upstream-reset'], method);
    if (!again) continue;
    t.equal(app.last.fresh, true);
    app.last.fail('stale');
    t.same([app.attempts.length, client.code], [2, 'upstream-reset'], 'once');
  }
});

t.test('a body that is not kept cannot be sent to a fresh connection', async (t) => {
  const play = new Play();
  const { client } = play.call({ method: 'PUT', hasBody: true });
  client.send('x'.repeat(70_000));
  play.app.last.fail('stale');
  t.same([play.app.attempts.length, client.code], [1, 'upstream-reset']);
});

t.test('each failure of the app has its answer', async (t) => {
  for (const [kind, status, code] of [
    ['connect', 502, 'connect-failure'],
    ['reset', 502, 'upstream-reset'],
    ['broken-response', 502, 'upstream-reset'],
    ['bad-response', 502, 'bad-response'],
    ['timeout', 504, 'request-timeout'],
    ['overloaded', 503, 'overloaded'],
  ] as const) {
    const play = new Play();
    const { client } = play.call();
    play.app.last.fail(kind, 'why');
    t.same([client.response?.status, client.code], [status, code], kind);
    t.match(client.response?.body, `the app at ${play.app.address}: why`);
  }
});

t.test('that the app took no connection is said so that the caller’s sidecar can believe it', async (t) => {
  const play = new Play();
  const without = play.call().client;
  play.app.last.fail('connect');
  t.equal(fieldValue(without.response?.fields ?? [], 'x-roost-app-refuses'), undefined, 'no key');
  play.refusals.key = Buffer.from('the key');
  const { client } = play.call({ fields: [['x-request-id', 'theirs']] });
  play.app.last.fail('connect');
  const mac = createHmac('sha256', 'the key').update('10.0.0.9:8080\0theirs', 'latin1').digest('base64url');
  t.equal(fieldValue(client.response?.fields ?? [], 'x-roost-app-refuses'), mac);
  const reset = play.call().client;
  play.app.last.fail('reset');
  t.equal(fieldValue(reset.response?.fields ?? [], 'x-roost-app-refuses'), undefined, 'something was sent');
});
