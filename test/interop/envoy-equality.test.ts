import t, { type Test } from 'tap';
import { adsBootstrap, ENVOY, startEnvoy } from '../support/envoy.js';
import {
  type FastAnswer,
  FastCaller,
  type FastRequest,
  type NamedBackend,
  startBackends,
} from '../support/fast-traffic.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout } from '../support/shop.js';

/**
 * Case 24: an Envoy and a sidecar, both fed by our control plane and both calling the same backends, send each of
 * 1,000 keys to the same release and the same endpoint.
 */

const KEYS = 1000;
const HOST = 'checkout.shop';
const HEADER_KEY = [{ header: 'x-user-id' }];
const COOKIE_KEY = [{ cookie: { name: 'sid', ttl: '1h' } }];

interface Step {
  readonly what: string;
  readonly split: Readonly<Record<string, number>>;
  /** Weights of each release's endpoints, as many as are in force. */
  readonly endpoints: Readonly<Record<string, readonly number[]>>;
}

/** Each step changes the weights of the releases, or the endpoints and their weights, or both. */
const STEPS: readonly Step[] = [
  { what: 'at first', split: { v1: 90, v2: 10 }, endpoints: { v1: [1, 1, 1], v2: [1, 1] } },
  { what: 'another split', split: { v1: 2, v2: 1 }, endpoints: { v1: [1, 1, 1], v2: [1, 1] } },
  { what: 'one more of each', split: { v1: 2, v2: 1 }, endpoints: { v1: [1, 1, 1, 1], v2: [1, 1, 1] } },
  { what: 'endpoint weights', split: { v1: 2, v2: 1 }, endpoints: { v1: [1, 3, 2, 1], v2: [5, 1, 1] } },
  { what: 'beyond 16 units', split: { v1: 2, v2: 1 }, endpoints: { v1: [3, 8, 5, 7], v2: [6, 6, 6] } },
  { what: 'heavy ones', split: { v1: 2, v2: 1 }, endpoints: { v1: [100, 37, 256], v2: [1, 1000, 300] } },
  { what: 'both at once', split: { v1: 1, v2: 9999 }, endpoints: { v1: [2, 1], v2: [1, 2, 7, 1] } },
];

interface World {
  readonly mesh: TestMesh;
  readonly backends: ReadonlyMap<string, readonly NamedBackend[]>;
  readonly sidecar: FastCaller;
  readonly envoy: FastCaller;
}

async function startWorld(
  t: Test,
  first: Step,
  spec: object,
  filters: readonly object[] = [],
): Promise<World> {
  const backends = await startBackends(t, { v1: 4, v2: 4 });
  const mesh = await TestMesh.start(t, [resource(backends, first, spec)]);
  const { addresses } = await mesh.sidecar();
  const { listeners } = await startEnvoy(
    t,
    adsBootstrap({
      controlPlane: mesh.controlPlane.grpcAddress,
      namespace: 'shop',
      routes: ['shop/checkout'],
      filters,
    }),
  );
  return {
    mesh,
    backends,
    sidecar: new FastCaller(t, addresses.outbound),
    envoy: new FastCaller(t, listeners['shop/checkout'] as string),
  };
}

function resource(
  backends: ReadonlyMap<string, readonly NamedBackend[]>,
  { split, endpoints }: Step,
  spec: object,
): object {
  const versions = [...backends].map(([name, all]) => ({
    name,
    // In two zones, in no order: what clients get is in one that does not depend on it.
    endpoints: (endpoints[name] ?? []).map((weight, i) => ({
      address: all[i]?.address,
      weight,
      zone: i % 2 === 0 ? 'b' : 'a',
    })),
  }));
  return checkout({ split, spec: { ...spec, versions } });
}

const byHeader = Array.from({ length: KEYS }, (_, i) => ({
  host: HOST,
  headers: [['x-user-id', `user-${i}`]] as const,
}));

function bodyOf({ status, body }: FastAnswer): string {
  if (status !== 200) throw new Error(`${status}: ${body}`);
  return body;
}

const placesOf = async (caller: FastCaller, requests: readonly FastRequest[]) =>
  (await caller.all(requests)).map(bodyOf);

/** Envoy's workers take a change over in their own time, endpoint weights a second later: asks until it has. */
async function placesOfEnvoy(
  { envoy }: World,
  requests: readonly FastRequest[],
  expected: readonly string[],
): Promise<readonly string[]> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const places = await placesOf(envoy, requests);
    if (places.every((place, i) => place === expected[i]) || Date.now() > deadline) return places;
  }
}

const differing = (a: readonly string[], b: readonly string[]) =>
  a.flatMap((place, i) => (place === b[i] ? [] : [`key ${i}: ${place}, ${b[i]}`]));

for (const loadBalancer of ['ring-hash', 'maglev']) {
  const affinity = { key: HEADER_KEY, version: 'balanced', endpoint: 'balanced' };
  t.test(
    `24: ${loadBalancer}: Envoy and the sidecar agree on release and endpoint, through every change`,
    { skip: ENVOY.skip },
    async (t) => {
      const spec = { loadBalancer, affinity };
      const world = await startWorld(t, STEPS[0] as Step, spec);
      let before: readonly string[] = [];
      for (const step of STEPS) {
        await world.mesh.apply(resource(world.backends, step, spec));
        const ours = await placesOf(world.sidecar, byHeader);
        t.same(differing(ours, await placesOfEnvoy(world, byHeader, ours)), [], step.what);
        t.not(differing(ours, before).length, 0, `${step.what}: something moved`);
        const expected = Object.values(step.endpoints).flat().length;
        t.ok(new Set(ours).size <= expected, `${step.what}: on the endpoints in force only`);
        before = ours;
      }
    },
  );
}

t.test('24: cookies: each finds its session where the other has put it', { skip: ENVOY.skip }, async (t) => {
  const spec = { affinity: { key: COOKIE_KEY, version: 'balanced', endpoint: 'balanced' } };
  const step: Step = { what: '', split: { v1: 60, v2: 40 }, endpoints: { v1: [1, 1, 1], v2: [1, 1, 1] } };
  const world = await startWorld(t, step, spec);
  const none = Array.from({ length: KEYS }, () => ({ host: HOST }));
  const withCookies = (answers: readonly FastAnswer[]) =>
    answers.map(({ setCookie }): FastRequest => {
      const cookie = /^sid="?[\w-]{16,22}"?(?=;)/.exec(setCookie ?? '')?.[0];
      if (cookie === undefined) throw new Error(`an answer that sets ${setCookie}`);
      return { host: HOST, headers: [['cookie', cookie]] };
    });
  const first = await world.sidecar.all(none);
  const ours = withCookies(first);
  t.same(differing(first.map(bodyOf), await placesOf(world.envoy, ours)), [], 'cookies of the sidecar');
  // Envoy hashes a connection's addresses, so one connection is one session.
  const callers = Array.from({ length: 20 }, () => world.envoy.one({ host: HOST }));
  const theirs = withCookies(await Promise.all(callers));
  t.ok(new Set(theirs.map(({ headers }) => headers?.[0]?.[1])).size > 1);
  t.same(
    differing(await placesOf(world.sidecar, theirs), await placesOf(world.envoy, theirs)),
    [],
    'cookies of Envoy',
  );
});

const STATEFUL_SESSION = {
  name: 'envoy.filters.http.stateful_session',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
  },
};

t.test(
  'an Envoy with the stateful session filter keeps persistent sessions on their endpoints',
  { skip: ENVOY.skip },
  async (t) => {
    const spec = { affinity: { key: COOKIE_KEY, version: 'persistent', endpoint: 'persistent' } };
    const step: Step = { what: '', split: { v1: 60, v2: 40 }, endpoints: { v1: [1, 1], v2: [1, 1] } };
    const world = await startWorld(t, step, spec, [STATEFUL_SESSION]);
    const cookies = Array.from({ length: KEYS }, (_, i) => `sid=session-${i}`);
    const call = (jars: readonly string[]) =>
      world.envoy.all(jars.map((cookie) => ({ host: HOST, headers: [['cookie', cookie]] as const })));
    const first = await call(cookies);
    const jars = first.map(({ setCookie = '' }, i) => `${cookies[i]}; ${setCookie.split(';')[0]}`);
    t.match(jars[0], /^sid=session-0; sid-endpoint="?[\w+/=]+"?$/);
    const before = first.map(bodyOf);
    await world.mesh.apply(
      resource(world.backends, { ...step, endpoints: { v1: [1, 1, 1], v2: [1, 1, 1] } }, spec),
    );
    await eventually('Envoy has the new endpoints', async () =>
      (await call(cookies)).map(bodyOf).some((place) => place.endsWith('-3')),
    );
    t.same(differing((await call(jars)).map(bodyOf), before), []);
  },
);
