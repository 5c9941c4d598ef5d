import { request as httpRequest } from 'node:http';
import t, { type Test } from 'tap';
import { toStruct } from '../../src/api/struct.js';
import { Backend, type Handler } from '../support/backend.js';
import { balanced, bodyOf, CaseWorld, isReady } from '../support/case-world.js';
import { startBackends } from '../support/fast-traffic.js';
import { toAddress } from '../support/mesh.js';
import { startSidecar } from '../support/processes.js';
import { meshService } from '../support/shop.js';

/** Case 26 as a black box: A calls B and C. A and B have a release with the lane `canary`, C has none. */

const USERS = 200;
const traceparent = (n: number) => `00-${String(n + 1).padStart(32, '0')}-b7ad6b7169203331-01`;

/** An app that calls two services through its sidecar, hands on nothing but `traceparent`, and joins the answers. */
function relayTo(hosts: readonly string[], outbound: () => string): Handler {
  const call = (host: string, traceparent: string) =>
    new Promise<string>((resolve, reject) => {
      const options = { ...toAddress(outbound()), headers: { host, traceparent } };
      const request = httpRequest(options, (answer) => {
        let body = '';
        answer.on('data', (data) => (body += String(data)));
        answer.on('end', () => resolve(`${answer.statusCode === 200 ? '' : answer.statusCode}${body}`));
      });
      request.on('error', reject);
      request.end();
    });
  return (incoming, response, { name }) => {
    const traceparent = String(incoming.headers.traceparent);
    Promise.all(hosts.map((host) => call(host, traceparent))).then(
      (answers) => response.end([name, ...answers].join(' ')),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  };
}

/** A pod of A, with a sidecar process of its own. @returns where callers reach it */
async function startPod(t: Test, controlPlane: string, name: string): Promise<string> {
  let outbound = '';
  const relay = relayTo(['b', 'c'], () => outbound);
  const app = await Backend.start(t, name, relay);
  const identity = ['--service', 'a.shop', '--control-plane', controlPlane];
  const sidecar = await startSidecar(t, [...identity, '--app', app.address]);
  await isReady(sidecar.admin);
  outbound = sidecar.outbound;
  return sidecar.inbound;
}

t.test(
  '26: a lane holds for the tree of calls, by traceparent alone; a service without it goes by its own split',
  async (t) => {
    const world = await CaseWorld.start(t, 1);
    const a = await Promise.all(['a-v1', 'a-v2'].map((name) => startPod(t, world.controlPlane, name)));
    const backends = await startBackends(t, { 'b-v1': 1, 'b-v2': 1, 'c-v1': 1, 'c-v2': 1 });
    const addressOf = (name: string) => backends.get(name)?.[0]?.address;
    const service = (
      name: string,
      split: Record<string, number>,
      addresses: readonly unknown[],
      spec: object,
    ) => {
      const versions = addresses.map((address, i) => ({
        name: `v${i + 1}`,
        endpoints: [{ address }],
        // C's releases have none.
        ...(i === 1 && name !== 'c' ? { lane: 'canary' } : {}),
      }));
      return toStruct(meshService(`${name}.shop`, split, { versions, ...spec }));
    };
    // Salted, so that C's sample of users is not A's.
    const salted = { ...balanced, salt: 'c' };
    await world.change('Apply', {
      documents: [
        service('a', { v1: 50, v2: 50 }, a, { affinity: balanced }),
        service('b', { v1: 100, v2: 0 }, ['b-v1', 'b-v2'].map(addressOf), { affinity: balanced }),
        service('c', { v1: 50, v2: 50 }, ['c-v1', 'c-v2'].map(addressOf), { affinity: salted }),
      ],
    });
    const users = Array.from({ length: USERS }, (_, i) => i);
    const call = async (host: string, user: number, headers: readonly (readonly [string, string])[]) =>
      bodyOf(await world.caller().one({ host, headers: [['x-user-id', `user-${user}`], ...headers] }));
    const seen = new Set<string>();
    const wrong: string[] = [];
    for (const user of users) {
      const own = await call('c', user, []);
      const tree = await call('a', user, [['traceparent', traceparent(user)]]);
      seen.add(tree);
      const [first, second, third] = tree.split(' ');
      // B follows A's lane; C goes where the user is anyway.
      if (second !== (first === 'a-v2' ? 'b-v2-1' : 'b-v1-1') || third !== own)
        wrong.push(`user ${user}: ${tree}; C's own split says ${own}`);
    }
    t.same(wrong, []);
    t.equal(seen.size, 4, `every combination of A and C was there: ${[...seen].join('; ')}`);
  },
);
