import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Client, credentials } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { inParallel } from '../support/calls.js';
import { FastCaller, NamedBackend } from '../support/fast-traffic.js';
import { loadXds, startGrpcBackend, which } from '../support/grpc-xds.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout } from '../support/shop.js';

/**
 * Case 24 for gRPC clients, which pick releases at random: within a release, `@grpc/grpc-js-xds` and a sidecar, both
 * fed by our control plane, send each of 1,000 keys to the same endpoint.
 */

const KEYS = 1000;
const users = Array.from({ length: KEYS }, (_, i) => `user-${i}`);
const HTTP2_PREFACE = 'PRI * HTTP/2';

interface Backend {
  readonly name: string;
  readonly address: string;
}

/** One port that answers HTTP/1.1 and gRPC calls alike with its name. */
async function startBackend(t: Test, name: string): Promise<Backend> {
  const http1 = await NamedBackend.start(t, name);
  const grpc = await startGrpcBackend(t, name);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', (first) => {
      const target = first.toString('latin1').startsWith(HTTP2_PREFACE) ? grpc : http1.address;
      const upstream = connect(Number(target.split(':')[1]), '127.0.0.1');
      sockets.add(upstream);
      upstream.on('error', () => socket.destroy());
      upstream.write(first);
      socket.pipe(upstream).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { name, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const startRelease = (t: Test, release: string) =>
  Promise.all([1, 2, 3, 4].map((n) => startBackend(t, `${release}-${n}`)));

/** Routes that name a release, to ask the sidecar where a key would be in each, without moving its session. */
const byLabel = ['v1', 'v2'].map((version) => ({
  name: `only-${version}`,
  match: [{ headers: [{ name: 'x-release', exact: version }] }],
  split: [{ version, weight: 1 }],
  pin: false,
}));

t.test(
  '24: grpc-js-xds and the sidecar agree on the endpoint within a release, through every change',
  async (t) => {
    const [v1, v2] = [await startRelease(t, 'v1'), await startRelease(t, 'v2')];
    const resource = (split: Record<string, number>, weights: Record<string, readonly number[]>) =>
      checkout({
        split,
        routes: byLabel,
        affinity: { version: 'balanced', endpoint: 'balanced' },
        spec: {
          versions: Object.entries({ v1, v2 }).map(([name, backends]) => ({
            name,
            endpoints: (weights[name] ?? []).map((weight, i) => ({ address: backends[i]?.address, weight })),
          })),
        },
      });
    const first = { what: 'at first', split: { v1: 90, v2: 10 }, weights: { v1: [1, 1, 1], v2: [1, 1] } };
    const steps = [
      first,
      { what: 'one more of each', split: { v1: 50, v2: 50 }, weights: { v1: [1, 1, 1, 1], v2: [1, 1, 1] } },
      { what: 'their weights', split: { v1: 30, v2: 70 }, weights: { v1: [1, 3, 1, 2], v2: [4, 1, 1] } },
      { what: 'one less of one', split: { v1: 30, v2: 70 }, weights: { v1: [1, 3, 1], v2: [4, 1, 1] } },
      { what: 'one less of each', split: { v1: 30, v2: 70 }, weights: { v1: [1, 3], v2: [4, 1] } },
    ];
    const mesh = await TestMesh.start(t, [resource(first.split, first.weights)]);
    await loadXds(mesh.controlPlane.grpcAddress, 'shop');
    const sidecar = new FastCaller(t, (await mesh.sidecar()).addresses.outbound);
    const client = new Client('xds:///checkout.shop', credentials.createInsecure());
    t.teardown(() => client.close());

    /** Where the sidecar puts each key in a release. */
    const homesIn = async (release: string): Promise<string[]> => {
      const requests = users.map((user) => {
        const headers = [['x-user-id', user] as const, ['x-release', release] as const];
        return { host: 'checkout.shop', headers };
      });
      return (await sidecar.all(requests)).map(({ body }) => body);
    };

    const reached = { v1: 0, v2: 0 };
    for (const { what, split, weights } of steps) {
      await mesh.apply(resource(split, weights));
      const homes = { v1: await homesIn('v1'), v2: await homesIn('v2') };
      const differing = async (asked: readonly string[]): Promise<string[]> => {
        const places = await inParallel(asked, 32, (user) => which(client, { 'x-user-id': user }));
        return asked.filter((user, i) => {
          const release = (places[i] as string).slice(0, 2) as 'v1' | 'v2';
          reached[release]++;
          return places[i] !== homes[release][users.indexOf(user)];
        });
      };
      // The client takes changes over in its own time, after it has acknowledged them.
      await eventually(what, async () => (await differing(users.slice(0, 20))).length === 0);
      t.same(await differing(users), [], what);
    }
    t.ok(reached.v1 > 0 && reached.v2 > 0, `both releases were compared: ${JSON.stringify(reached)}`);

    // More entries than the client's rings have (ADR 3): it keeps sessions to endpoints of its own choice then.
    await mesh.apply(resource({ v1: 100, v2: 0 }, { v1: [8, 8, 8], v2: [4, 1, 1] }));
    const placesNow = () => inParallel(users, 32, (user) => which(client, { 'x-user-id': user }));
    await eventually('the split', async () => (await placesNow()).every((place) => place.startsWith('v1')));
    const places = await placesNow();
    t.equal(new Set(places).size, 3, 'a larger ring than it builds is no reason to refuse the cluster');
    t.same(await placesNow(), places);
  },
);
