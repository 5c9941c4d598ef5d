import t, { type Test } from 'tap';
import type { AdsClient } from '../../../../sidecar/discovery/ads-client.js';
import { ControlPlanes } from '../../../../sidecar/discovery/control-planes.js';
import { DeltaClient } from '../../../../sidecar/discovery/delta-client.js';
import { MISSING_AFTER_MS } from '../../../../sidecar/discovery/held-resources.js';
import type { ReceivedResource, RefusedResource } from '../../../../sidecar/discovery/response-entries.js';
import { SotwClient } from '../../../../sidecar/discovery/sotw-client.js';
import { INSECURE } from '../../../../src/access/channel-security.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import type { Message } from '../../../../src/xds/descriptors.js';
import { type ResourceKind, TYPE_URL } from '../../../../src/xds/resource-types.js';
import { entry, ScriptedAdsServer } from '../../../support/ads-server.js';
import { eventually } from '../../../support/processes.js';
import { wanting } from '../../../support/wanted.js';

/** Rules of the xDS protocol that hold for a client of either protocol, over real streams and by a clock of the test's. */

const TTL_MS = 5000;

interface World {
  readonly server: ScriptedAdsServer;
  readonly client: AdsClient;
  /** What the consumer was given, in words: `listener a@1`, `listener a gone`. */
  readonly taken: string[];
  want(kind: ResourceKind, ...names: string[]): void;
  /** Says something and waits for the answer to it. */
  say(kind: ResourceKind, entries: readonly object[], removed?: readonly string[]): Promise<Message>;
  pass(ms: number): void;
  statuses(): string[];
}

type Protocol = 'delta' | 'sotw';

async function start(
  t: Test,
  protocol: Protocol,
  options: object = {},
  maxMessageBytes?: number,
): Promise<World> {
  const server = await ScriptedAdsServer.start(t);
  const taken: string[] = [];
  let nowMs = 0;
  const Client = protocol === 'delta' ? DeltaClient : SotwClient;
  const client = new Client({
    controlPlanes: new ControlPlanes(
      [{ address: server.address, security: INSECURE }],
      Math.random,
      maxMessageBytes,
    ),
    node: { id: 'sidecar-1' },
    ignoresDeletion: false,
    nowMs: () => nowMs,
    log: createLogger('test', 'silent'),
    consumer: {
      onResources(kind, resources: readonly ReceivedResource[], removed): RefusedResource[] {
        for (const { name, version } of resources) taken.push(`${kind} ${name}@${version}`);
        for (const name of removed) taken.push(`${kind} ${name} gone`);
        return resources
          .filter(({ version }) => version.startsWith('bad'))
          .map(({ name }) => ({ name, reason: 'is bad' }));
      },
      onConnected() {},
    },
    ...options,
  });
  t.teardown(() => client.close());
  const want = wanting(client);
  want('listener', '*');
  client.start();
  await server.next('listener');
  let nonce = 0;
  return {
    server,
    client,
    taken,
    want,
    say: (kind, entries, removed = []) => {
      server.say(kind, `n${++nonce}`, entries, removed);
      return server.answer(kind, `n${nonce}`);
    },
    pass: (ms) => {
      nowMs += ms;
      client.checkDeadlines(nowMs);
    },
    statuses: () =>
      client.status.list().map((each) => {
        const { name, clientStatus } = each as { name: string; clientStatus: string };
        return `${name} ${clientStatus}`;
      }),
  };
}

const listener = (name: string, version = '1', ttlMs?: number) =>
  entry(name, version, { kind: 'listener', message: { name } }, ttlMs);
const route = (name: string, version = '1', ttlMs?: number) =>
  entry(name, version, { kind: 'route', message: { name } }, ttlMs);

function inEachProtocol(title: string, body: (t: Test, protocol: Protocol) => Promise<void>): void {
  for (const protocol of ['delta', 'sotw'] as const)
    t.test(`${protocol}: ${title}`, (t) => body(t, protocol));
}

// ---- time to live ----

inEachProtocol('a resource with a time to live is gone when its heartbeats stop', async (t, protocol) => {
  const { taken, say, pass, statuses } = await start(t, protocol);
  await say('listener', [listener('a', '1', TTL_MS), listener('b')]);
  pass(TTL_MS - 1);
  await say('listener', [entry('a', '1', undefined, TTL_MS), entry('b', '1')]);
  pass(TTL_MS - 1);
  t.same(taken, ['listener a@1', 'listener b@1'], 'a heartbeat changes nothing, and gives it as long again');
  pass(1);
  t.same(taken.slice(2), ['listener a gone']);
  t.same(statuses(), ['b ACKED']);
  pass(10 * TTL_MS);
  t.equal(taken.length, 3, 'what has none stays, and nothing is gone twice');
});

inEachProtocol('a time to live ends with an entry that has none', async (t, protocol) => {
  const { taken, say, pass } = await start(t, protocol);
  await say('listener', [listener('a', '1', TTL_MS), listener('b', '1', TTL_MS), listener('c', '1', TTL_MS)]);
  await say('listener', [listener('a', '2'), entry('b', '1'), listener('c', '2', 2 * TTL_MS)]);
  pass(TTL_MS);
  t.same(taken.slice(3), ['listener a@2', 'listener c@2']);
  pass(TTL_MS);
  t.same(taken.slice(5), ['listener c gone'], 'a new version has a new time');
});

inEachProtocol('what has expired is not told as held, and a later version is taken', async (t, protocol) => {
  const { server, taken, want, say, pass } = await start(t, protocol);
  want('route', 'r');
  await server.next('route');
  await say('route', [route('r', '1', TTL_MS)]);
  pass(TTL_MS);
  await say('route', [entry('r', '1', undefined, TTL_MS)]);
  pass(2 * TTL_MS);
  t.same(taken, ['route r@1', 'route r gone'], 'a heartbeat for what is gone brings nothing back');
  server.end();
  const again = await server.next('route');
  if (protocol === 'delta') t.same(again.initialResourceVersions, {});
  await say('route', [route('r', '2')]);
  t.same(taken.at(-1), 'route r@2');
});

// ---- names that the server says nothing about ----

inEachProtocol(
  'a name that the server is silent about counts as not there after 15 s',
  async (t, protocol) => {
    const { server, taken, want, say, pass, statuses } = await start(t, protocol);
    await say('listener', [listener('l')]);
    want('route', 'here', 'nowhere');
    await server.next('route');
    await say('route', [route('here')]);
    pass(MISSING_AFTER_MS - 1);
    t.same(taken, ['listener l@1', 'route here@1']);
    t.same(statuses(), ['l ACKED', 'here ACKED', 'nowhere REQUESTED']);
    pass(1);
    t.same(taken.slice(2), ['route nowhere gone']);
    t.same(statuses(), ['l ACKED', 'here ACKED', 'nowhere DOES_NOT_EXIST']);
    await say('route', [route('nowhere')]);
    t.same(taken.at(-1), 'route nowhere@1', 'and is taken when it appears');
    pass(10 * MISSING_AFTER_MS);
    t.equal(taken.length, 4);
  },
);

inEachProtocol('no name is given up while no server is there to name it', async (t, protocol) => {
  const { server, taken, want, say, pass } = await start(t, protocol);
  await say('listener', [listener('l')]);
  want('route', 'r');
  await server.next('route');
  server.end();
  await eventually('it is back', () => server.streams === 2);
  pass(10 * MISSING_AFTER_MS);
  t.same(taken, ['listener l@1']);
  await server.next('route');
  await say('listener', [listener('l')]);
  pass(MISSING_AFTER_MS);
  t.same(taken.at(-1), 'route r gone', 'the time begins anew with the first word of the new stream');
});

// ---- responses that contradict themselves, or say too much ----

inEachProtocol('a resource of another type than its response is refused by name', async (t, protocol) => {
  const { taken, say } = await start(t, protocol);
  const answer = await say('listener', [
    listener('good'),
    entry('c', '1', { kind: 'cluster', message: { name: 'c' } }),
  ]);
  t.match(answer.errorDetail, {
    message:
      'listener c: is a envoy.config.cluster.v3.Cluster, in a response of envoy.config.listener.v3.Listener',
  });
  t.same(taken, ['listener good@1'], 'what is good is taken');
});

inEachProtocol('a resource that calls itself otherwise than its entry is refused', async (t, protocol) => {
  const { taken, say } = await start(t, protocol);
  const answer = await say('listener', [entry('a', '1', { kind: 'listener', message: { name: 'b' } })]);
  t.match(answer.errorDetail, { message: 'listener a: calls itself "b"' });
  t.same(taken, []);
});

inEachProtocol('a name twice in a response is refused, and neither is taken', async (t, protocol) => {
  const { taken, say } = await start(t, protocol);
  const answer = await say('listener', [listener('a', '1'), listener('b'), listener('a', '2')]);
  t.match(answer.errorDetail, { message: 'listener a: is in the response twice' });
  t.same(taken, ['listener b@1']);
});

inEachProtocol('what nobody asked for is left out, and is no reason to refuse', async (t, protocol) => {
  const { server, taken, want, say } = await start(t, protocol);
  want('route', 'r');
  await server.next('route');
  const answer = await say('route', [route('other'), route('r')]);
  t.notOk(answer.errorDetail);
  t.same(taken, ['route r@1']);
});

inEachProtocol('a type that nobody asked for is answered with nothing', async (t, protocol) => {
  const { server, taken, say } = await start(t, protocol);
  server.write({ typeUrl: 'type.googleapis.com/envoy.service.runtime.v3.Runtime', nonce: 'x' });
  await say('listener', [listener('a')]);
  t.same(taken, ['listener a@1']);
  t.notOk(server.requests.some(({ responseNonce }) => responseNonce === 'x'));
});

inEachProtocol('empty responses are acknowledged', async (t, protocol) => {
  const { say, taken } = await start(t, protocol);
  const answer = await say('listener', []);
  t.notOk(answer.errorDetail);
  t.same(taken, []);
});

// ---- NACK ----

inEachProtocol('a NACK has every reason, and what was good before stays', async (t, protocol) => {
  const { server, say, taken, statuses } = await start(t, protocol);
  await say('listener', [listener('a', '1'), listener('b', '1')]);
  const nack = await say('listener', [
    listener('a', 'bad-2'),
    listener('b', '2'),
    listener('c', 'bad-1'),
    entry('d', '1', { kind: 'listener', message: { name: 'e' } }),
  ]);
  const { code, message } = nack.errorDetail as { code: number; message: string };
  t.equal(code, 3);
  t.same(message.split('\n').sort(), [
    'listener a: is bad',
    'listener c: is bad',
    'listener d: calls itself "e"',
  ]);
  t.notOk(taken.some((line) => line.endsWith('gone')));
  t.same(statuses().slice(0, 3), ['a NACKED', 'b ACKED', 'c NACKED']);
  server.end();
  const again = await server.next('listener');
  if (protocol === 'delta')
    t.same(again.initialResourceVersions, { a: '1', b: '2' }, 'the server learns which version is in force');
  else t.equal(again.versionInfo, 'n1', 'the version of what was accepted as a whole');
});

inEachProtocol('a server that repeats what was refused is answered later and later', async (t, protocol) => {
  const { server, say, want, pass, taken, client } = await start(t, protocol);
  const bad = () => [listener('a', 'bad'), listener('b')];
  const answered = () => server.requests.flatMap(({ responseNonce }) => responseNonce || []);
  const repeat = (nonce: string) => server.say('listener', nonce, bad());
  const first = await say('listener', bad());
  t.match(first.errorDetail, { message: 'listener a: is bad' });
  repeat('again');
  await eventually('it is taken', () => taken.length === 4);
  t.equal(client.rejections.listener, 2);
  pass(499);
  want('route', 'after');
  await server.next('route');
  t.same(answered(), ['n1'], 'no answer within half a second');
  pass(501);
  t.match(await server.answer('listener', 'again'), { errorDetail: { message: 'listener a: is bad' } });
  repeat('and again');
  await eventually('it is taken', () => taken.length === 6);
  t.notOk((await say('listener', [listener('a')])).errorDetail, 'what is new is answered at once,');
  t.same(answered(), ['n1', 'again', 'and again', 'n2'], 'after what waits');
  t.match(
    (await say('listener', bad())).errorDetail,
    { message: 'listener a: is bad' },
    'and so is its return',
  );
});

inEachProtocol('an answer that waits is not held back from a change of names', async (t, protocol) => {
  const { server, say, want, taken } = await start(t, protocol);
  want('route', 'r', 's');
  await server.next('route');
  await say('route', [route('r', 'bad')]);
  server.say('route', 'again', [route('r', 'bad')]);
  await eventually('it is taken', () => taken.length === 3);
  want('route', 'r');
  const request = await server.next('route');
  if (protocol === 'delta')
    t.same([request.resourceNamesUnsubscribe, request.responseNonce], [['s'], undefined]);
  else t.match(request, { resourceNames: ['r'], responseNonce: 'again', errorDetail: { code: 3 } });
});

inEachProtocol('what was never good is told as refused, however long that is', async (t, protocol) => {
  const { server, want, say, taken, pass, statuses } = await start(t, protocol);
  await say('listener', [listener('l')]);
  want('route', 'r');
  await server.next('route');
  await say('route', [route('r', 'bad')]);
  pass(MISSING_AFTER_MS);
  t.same(taken.slice(1), ['route r@bad', 'route r gone']);
  t.same(statuses(), ['l ACKED', 'r NACKED'], 'which the server is told, as long as it says nothing else');
});

// ---- subscriptions ----

inEachProtocol(
  'a name that is dropped is forgotten, and asked for anew when it is wanted again',
  async (t, protocol) => {
    const { server, want, say, taken } = await start(t, protocol);
    want('route', 'r', 's');
    await server.next('route');
    await say('route', [route('r'), route('s')]);
    want('route', 's');
    const dropped = await server.next('route');
    want('route', 'r', 's');
    const again = await server.next('route');
    if (protocol === 'delta') {
      t.same(dropped.resourceNamesUnsubscribe, ['r']);
      t.same(again.resourceNamesSubscribe, ['r']);
    } else {
      t.same(dropped.resourceNames, ['s']);
      t.same([...(again.resourceNames as string[])].sort(), ['r', 's']);
    }
    await say('route', [route('r')]);
    t.same(taken.at(-1), 'route r@1');
  },
);

inEachProtocol(
  'listeners and clusters that the server deletes are used on, where it may not delete',
  async (t, protocol) => {
    const { server, taken, want, say, pass } = await start(t, protocol, { ignoresDeletion: true });
    want('route', 'r');
    await server.next('route');
    const gone = protocol === 'delta' ? ['a'] : [];
    await say('listener', [listener('a'), listener('b', '1', TTL_MS)]);
    await say('listener', protocol === 'delta' ? [] : [entry('b', '1', undefined, TTL_MS)], gone);
    await say('route', [route('r')]);
    if (protocol === 'delta') await say('route', [], ['r']);
    t.same(
      taken.filter((line) => line.endsWith('gone')),
      protocol === 'delta' ? ['route r gone'] : [],
    );
    pass(TTL_MS);
    t.same(taken.at(-1), 'listener b gone', 'a time to live counts all the same');
  },
);

inEachProtocol('a response that is too large ends the stream, and nothing else', async (t, protocol) => {
  const { server, taken, say } = await start(t, protocol, {}, 10_000);
  await say('listener', [listener('a')]);
  const message = { name: 'b', statPrefix: 'x'.repeat(20_000) };
  server.say('listener', 'large', [entry('b', '1', { kind: 'listener', message })]);
  await eventually('it is back', () => server.streams === 2);
  await server.next('listener');
  t.same(taken, ['listener a@1']);
  await say('listener', [listener('a', '2')]);
  t.same(taken.at(-1), 'listener a@2');
});

inEachProtocol('bytes that are no response end the stream, and nothing else', async (t, protocol) => {
  const { server, taken, say, statuses } = await start(t, protocol);
  await say('listener', [listener('a')]);
  for (const [times, hex] of ['ffffff', '0a', '1205', ''].entries()) {
    server.write(Buffer.from(hex, 'hex'));
    if (hex === '') continue;
    await eventually('it is back', () => server.streams === times + 2);
    await server.next('listener');
  }
  t.same([taken, statuses()], [['listener a@1'], ['a ACKED']]);
  await say('listener', [listener('a', '2')]);
  t.same(taken.at(-1), 'listener a@2', 'an empty message is a response of no type');
});

inEachProtocol('the node comes with a stream’s first request, and with no other', async (t, protocol) => {
  const { server, say, want } = await start(t, protocol);
  want('route', 'r');
  await say('listener', [listener('a')]);
  t.match(server.requests[0], { node: { id: 'sidecar-1' }, typeUrl: TYPE_URL.listener });
  t.ok(server.requests.length >= 3);
  t.notOk(server.requests.slice(1).some(({ node }) => node));
  server.end();
  await eventually('it is back', () => server.streams === 2 && server.requests.length >= 2);
  t.match(server.requests[0], { node: { id: 'sidecar-1' } });
  t.notOk(server.requests.slice(1).some(({ node }) => node));
});

// ---- what is refused ----

inEachProtocol('what is refused and was never here counts as not there, at once', async (t, protocol) => {
  const { server, taken, want, say, pass } = await start(t, protocol);
  want('route', 'new', 'good');
  await server.next('route');
  const answer = await say('route', [route('new', 'bad'), route('good', '1')]);
  t.match((answer.errorDetail as Message).message, /^route new: is bad$/);
  const version = protocol === 'delta' ? ['1', 'bad'] : ['1', '1'];
  t.match(taken, [/^route new@/, `route good@${version[0]}`, 'route new gone']);
  pass(MISSING_AFTER_MS);
  t.equal(taken.length, 3, 'and is not waited for');
  await say('route', [route('new', '2')]);
  t.match(taken[3], /^route new@/, 'a version that is right is taken');
});

inEachProtocol('of what was here before, the version before stays', async (t, protocol) => {
  const { server, taken, want, say } = await start(t, protocol);
  want('route', 'r');
  await server.next('route');
  await say('route', [route('r', '1')]);
  await say('route', [route('r', 'bad')]);
  t.notOk(taken.includes('route r gone'));
});
