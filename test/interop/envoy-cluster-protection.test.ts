import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { Backend, echo, type Handler } from '../support/backend.js';
import { type Call, caller } from '../support/calls.js';
import { adsBootstrap, ENVOY, startEnvoy } from '../support/envoy.js';
import { newService } from '../support/http1/paths.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

/**
 * What keeps a service calm goes into Envoy's own fields: an Envoy and a sidecar that are fed by our control plane
 * do the same with it.
 */

interface World {
  readonly host: string;
  /** Each by name, with what calls the service through it. */
  readonly proxies: readonly (readonly [string, Call])[];
  /** Backends, by name, that answer with this status; 0: with nothing. */
  readonly statuses: Map<string, number>;
  readonly held: ServerResponse[];
}

async function startWorld(t: Test, spec: object, statuses = new Map<string, number>()): Promise<World> {
  const held: ServerResponse[] = [];
  const handler: Handler = (request, response, backend) => {
    const status = statuses.get(backend.name);
    if (status === undefined) echo(request, response, backend);
    else if (status === 0) held.push(response);
    else response.writeHead(status).end();
  };
  const backends = await Promise.all([0, 1, 2].map((n) => Backend.start(t, `b${n}`, handler)));
  const service = newService(
    backends.map(({ address }) => address),
    { loadBalancer: 'round-robin', ...spec },
  );
  const { name: host } = service.metadata;
  const mesh = await TestMesh.start(t, [service]);
  const sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
  const route = `shop/${host}`;
  const { listeners } = await startEnvoy(
    t,
    adsBootstrap({ controlPlane: mesh.controlPlane.grpcAddress, namespace: 'shop', routes: [route] }),
  );
  const proxies = [
    ['roost', caller(t, sidecar.addresses.outbound)],
    ['envoy', caller(t, listeners[route] as string)],
  ] as const;
  return { host, proxies, statuses, held };
}

async function callTimes(call: Call, host: string, times: number): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < times; i++) {
    const { status, backend } = await call(host);
    answers.push(`${status} ${backend}`);
  }
  return answers;
}

const count = (answers: readonly string[], wanted: string) =>
  answers.filter((answer) => answer === wanted).length;

t.test('errors in a row eject: so many are met, and then no more', { skip: ENVOY.skip }, async (t) => {
  const outlier = { consecutiveErrors: 4, baseEjectionTime: '1h', maxEjectionTime: '1h' };
  const { host, proxies, statuses } = await startWorld(t, { outlier });
  statuses.set('b1', 500);
  for (const [proxy, call] of proxies) {
    let errors = 0;
    await eventually(`${proxy} does without it`, async () => {
      const met = count(await callTimes(call, host, 9), '500 ');
      errors += met;
      return met === 0;
    });
    // Envoy's workers hear of an ejection a little later.
    t.ok(proxy === 'roost' ? errors === 4 : errors >= 4, `${proxy}: ${errors} errors`);
    t.strictSame(new Set(await callTimes(call, host, 9)), new Set(['200 b0', '200 b2']), proxy);
  }
});

t.test('no more are ejected than maxEjectionPercent, but always one', { skip: ENVOY.skip }, async (t) => {
  const outlier = {
    consecutiveErrors: 2,
    baseEjectionTime: '1h',
    maxEjectionTime: '1h',
    maxEjectionPercent: 10,
  };
  const { host, proxies, statuses } = await startWorld(t, { outlier });
  for (const name of ['b0', 'b1']) statuses.set(name, 503);
  for (const [proxy, call] of proxies) {
    await eventually(`${proxy} does without one`, async () => {
      const answers = await callTimes(call, host, 10);
      return count(answers, '503 ') === 5;
    });
    t.equal(count(await callTimes(call, host, 20), '503 '), 10, `${proxy}: the other takes its turns`);
  }
});

t.test('what is over the limit is answered 503 at once', { skip: ENVOY.skip }, async (t) => {
  const { host, proxies, statuses, held } = await startWorld(t, { limits: { requests: 2 } });
  for (const name of ['b0', 'b1', 'b2']) statuses.set(name, 0);
  for (const [proxy, call] of proxies) {
    const under = [call(host), call(host)];
    await eventually('two are in flight', () => held.length === 2);
    t.equal((await call(host)).status, 503, proxy);
    for (const response of held.splice(0)) response.end();
    for (const { status } of await Promise.all(under)) t.equal(status, 200, proxy);
  }
});

t.test('active checks take an endpoint out', { skip: ENVOY.skip }, async (t) => {
  const health = { path: '/healthz', interval: '100ms', unhealthyThreshold: 2, healthyThreshold: 1 };
  // From the start: of a cluster without traffic, Envoy would not notice a change for a minute.
  const { host, proxies } = await startWorld(t, { health }, new Map([['b2', 503]]));
  for (const [proxy, call] of proxies) {
    await eventually(`${proxy} does without it`, async () => {
      const answers = await callTimes(call, host, 9);
      return answers.includes('200 b0') && answers.includes('200 b1') && !answers.includes('503 ');
    });
    t.strictSame(new Set(await callTimes(call, host, 9)), new Set(['200 b0', '200 b1']), proxy);
  }
});
