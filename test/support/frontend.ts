import { request as httpRequest } from 'node:http';
import type { Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { Backend, type Handler } from './backend.js';
import { TestMesh, toAddress } from './mesh.js';

/** `checkout` with the session's key and pin in a cookie, and a frontend that people open in a browser. */
export interface CookieShop {
  readonly mesh: TestMesh;
  /** Where a browser finds the frontend: its pod's inbound sidecar. */
  readonly url: string;
  /** Pods of checkout, by name: `v2-1`. */
  readonly pods: ReadonlyMap<string, Backend>;
  /** Puts these weights in force. */
  split(weights: Readonly<Record<string, number>>): Promise<void>;
}

const HOST = 'checkout.shop';

/** Three pods of each release; sessions are persistent at both levels. */
export async function startCookieShop(t: Test, split: Readonly<Record<string, number>>): Promise<CookieShop> {
  const named: Handler = (request, response, { name }) => {
    // Nothing else that a browser fetches of its own accord is to be taken for a visit.
    response.writeHead(request.url === '/' ? 200 : 404, { 'content-type': 'text/plain' });
    response.end(name);
  };
  const names = ['v1', 'v2'].flatMap((release) => [1, 2, 3].map((n) => `${release}-${n}`));
  const pods = new Map(
    await Promise.all(names.map(async (name) => [name, await Backend.start(t, name, named)] as const)),
  );
  const mesh = await TestMesh.start(t, [checkoutOf(pods, split)]);
  let own: Sidecar | undefined;
  const app = await Backend.start(
    t,
    'frontend',
    relay(() => own as Sidecar),
  );
  own = await mesh.sidecar({ app: toAddress(app.address) });
  return {
    mesh,
    url: `http://${own.addresses.inbound}/`,
    pods,
    split: async (weights) => void (await mesh.split(HOST, weights)),
  };
}

function checkoutOf(pods: ReadonlyMap<string, Backend>, split: Readonly<Record<string, number>>): object {
  const endpointsOf = (release: string) =>
    [...pods].filter(([name]) => name.startsWith(release)).map(([, { address }]) => ({ address }));
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 8080,
      versions: ['v1', 'v2'].map((name) => ({ name, endpoints: endpointsOf(name) })),
      routes: [
        { name: 'default', split: Object.entries(split).map(([version, weight]) => ({ version, weight })) },
      ],
      affinity: {
        key: [{ cookie: { name: 'roost-checkout', ttl: '1h' } }],
        version: 'persistent',
        endpoint: 'persistent',
      },
    },
  };
}

/** A frontend as simple as can be: it asks checkout through its sidecar, and hands cookies on in both directions. */
function relay(sidecar: () => Sidecar): Handler {
  return (incoming, response) => {
    const { host, port } = toAddress(sidecar().addresses.outbound);
    const { cookie } = incoming.headers;
    const headers = { host: HOST, ...(cookie === undefined ? {} : { cookie }) };
    const call = httpRequest({ host, port, path: incoming.url, headers }, (answer) => {
      const setCookie = answer.headers['set-cookie'];
      response.writeHead(answer.statusCode as number, {
        'content-type': 'text/plain',
        ...(setCookie ? { 'set-cookie': setCookie } : {}),
      });
      answer.pipe(response);
    });
    call.on('error', (error) => response.writeHead(502).end(error.message));
    call.end();
  };
}

/** After three refused connections a pod counts as gone, and the next visit pins the session to another. */
const VISITS_UNTIL_GONE = 6;

/** One visit of the frontend. @returns the pod of checkout that answered */
export type Visit = () => Promise<string>;

/**
 * The life of a session with a cookie jar: reloads, a weight change, the death of its pod, and the pod's return.
 *
 * @param visit always with the same jar
 */
export async function keepsItsPlace(t: Test, shop: CookieShop, visit: Visit): Promise<void> {
  const home = await visit();
  t.ok(shop.pods.has(home), `it is on ${home}`);
  for (let reload = 1; reload <= 5; reload++) t.equal(await visit(), home, `reload ${reload}`);
  const [release, other] = home.startsWith('v1') ? ['v1', 'v2'] : ['v2', 'v1'];
  await shop.split({ [release]: 0, [other]: 100 });
  t.equal(await visit(), home, 'its release drains, and it stays');
  await shop.split({ [release]: 1, [other]: 99 });
  t.equal(await visit(), home, 'after another change of the weights');
  await shop.pods.get(home)?.stop();
  for (let call = 1; call <= VISITS_UNTIL_GONE; call++) {
    const place = await visit();
    t.ok(place.startsWith(release) && place !== home, `its pod is dead: on ${place} of the same release`);
  }
  const away = await visit();
  await shop.pods.get(home)?.restart();
  for (let reload = 1; reload <= 5; reload++)
    t.equal(await visit(), away, 'its pod is back, and it stays where it is');
}
