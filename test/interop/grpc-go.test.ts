import t from 'tap';
import type { StatusResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { inParallel } from '../support/calls.js';
import { OPENSSL } from '../support/certificates.js';
import { type DualBackend, ROUTES_BY_RELEASE, startDualRelease } from '../support/dual-backend.js';
import { FastCaller } from '../support/fast-traffic.js';
import { GO_XDS, GoClient } from '../support/go-xds.js';
import { startGrpcBackend, WAIT, WHICH } from '../support/grpc-xds.js';
import { TestMesh } from '../support/mesh.js';
import { eventually, roost } from '../support/processes.js';
import { credential, SecuredControlPlane } from '../support/secured.js';
import { checkout, meshService } from '../support/shop.js';

/** A real grpc-go application, started with what `roost bootstrap grpc` prints, used as it is. */

const skip = GO_XDS.skip;
const users = Array.from({ length: 300 }, (_, i) => `user-${i}`);
const OK = 0;
const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;

async function bootstrapFor(controlPlane: string, ...args: readonly string[]): Promise<string> {
  const where = ['--control-plane', controlPlane, '--service', 'app.shop', '--node', 'a go app'];
  const { code, stdout, stderr } = await roost(['bootstrap', 'grpc', ...where, ...args]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

const endpointsOf = (backends: readonly DualBackend[]) => backends.map(({ address }) => ({ address }));
const versionsOf = (releases: Readonly<Record<string, readonly DualBackend[]>>) =>
  Object.entries(releases).map(([name, backends]) => ({ name, endpoints: endpointsOf(backends) }));

const placesOf = (client: GoClient) =>
  inParallel(users, 16, async (user) => (await client.call(WHICH, { 'x-user-id': user })).reply);
const releaseOf = (place: string) => place.slice(0, 2) as 'v1' | 'v2';

t.test('by TLS with a certificate, the bootstrap as it is', { skip: skip || OPENSSL.skip }, async (t) => {
  const ops = credential('ops', 'admin');
  const certificate = { commonName: 'a-go-app' };
  const byCertificate = { name: 'apps', certificate, role: 'sidecar', namespaces: ['shop'] };
  const secured = await SecuredControlPlane.start(t, [ops.entry, byCertificate]);
  const api = secured.client({ token: ops.token });
  const address = await startGrpcBackend(t, 'v1-1');
  const versions = [{ name: 'v1', endpoints: [{ address }] }];
  await api.call('Apply', { documents: [toStruct(checkout({ split: { v1: 1 }, spec: { versions } }))] });
  const { cert, key } = await secured.authority.issue('a-go-app');
  const own = ['--ca', secured.authority.files.cert, '--client-cert', cert, '--client-key', key];
  const bootstrap = await bootstrapFor(secured.controlPlane.grpcTlsAddress, ...own);
  const client = new GoClient(t, 'xds:///checkout.shop:8080', bootstrap);
  t.match(await client.call(WHICH, {}), { code: OK, reply: 'v1-1' });
  const { clients } = await api.call<StatusResponse>('Status', {});
  t.match(clients, [{ id: 'a go app', agent: 'grpc', namespace: 'shop', inSync: true }]);
  const without = await bootstrapFor(
    secured.controlPlane.grpcTlsAddress,
    '--ca',
    secured.authority.files.cert,
  );
  const refused = await new GoClient(t, 'xds:///checkout.shop:8080', without).call(WHICH, {}, 2000);
  t.not(refused.code, OK, refused.message);
});

t.test('a key’s endpoint is the sidecar’s, and changes come without a failed call', { skip }, async (t) => {
  const [v1, v2] = [await startDualRelease(t, 'v1', 4), await startDualRelease(t, 'v2', 3)];
  const resource = (split: Record<string, number>, counts: readonly [number, number]) =>
    checkout({
      split,
      routes: ROUTES_BY_RELEASE,
      affinity: { version: 'balanced', endpoint: 'balanced' },
      spec: { versions: versionsOf({ v1: v1.slice(0, counts[0]), v2: v2.slice(0, counts[1]) }) },
    });
  const mesh = await TestMesh.start(t, [resource({ v1: 50, v2: 50 }, [3, 2])]);
  const sidecar = new FastCaller(t, (await mesh.sidecar()).addresses.outbound);
  const client = new GoClient(t, 'xds:///checkout', await bootstrapFor(mesh.controlPlane.grpcAddress));
  t.match(await client.call(WHICH, {}), { code: OK });
  const load = failuresOf(client);
  const homesIn = async (release: string) => {
    const headers = (user: string) => [['x-user-id', user] as const, ['x-release', release] as const];
    const requests = users.map((user) => ({ host: 'checkout.shop', headers: headers(user) }));
    return (await sidecar.all(requests)).map(({ body }) => body);
  };
  for (const [split, counts] of [
    [{ v1: 70, v2: 30 }, [3, 2]],
    [{ v1: 50, v2: 50 }, [4, 3]],
    [{ v1: 50, v2: 50 }, [2, 2]],
    [{ v1: 10, v2: 90 }, [4, 3]],
  ] as const) {
    await mesh.apply(resource(split, counts));
    const homes = { v1: await homesIn('v1'), v2: await homesIn('v2') };
    let places: string[] = [];
    const what = JSON.stringify([split, counts]);
    await eventually(what, async () => {
      places = await placesOf(client);
      const share = places.filter((place) => releaseOf(place) === 'v2').length / places.length;
      return (
        places.every((place, i) => place === homes[releaseOf(place)][i]) &&
        Math.abs(share - split.v2 / 100) < 0.12
      );
    });
    t.equal(new Set(places).size, counts[0] + counts[1], what);
  }
  t.same(await load.stop(), []);
});

t.test(
  'routes by header, the time that they give, and a service that goes and comes',
  { skip },
  async (t) => {
    const address = await startGrpcBackend(t, 'v1-1');
    const other = await startGrpcBackend(t, 'v2-1');
    const versions = [
      { name: 'v1', endpoints: [{ address }] },
      { name: 'v2', endpoints: [{ address: other }] },
    ];
    const routes = [
      {
        name: 'beta',
        match: [{ headers: [{ name: 'x-beta', exact: 'yes' }] }],
        split: [{ version: 'v2', weight: 1 }],
        timeout: '100ms',
      },
      { name: 'default', split: [{ version: 'v1', weight: 1 }], timeout: '500ms' },
    ];
    const till = meshService('till.shop', { v1: 1, v2: 1 }, { versions, routes });
    const mesh = await TestMesh.start(t, [till], { lingerMs: 200 });
    const client = new GoClient(t, 'xds:///till.shop', await bootstrapFor(mesh.controlPlane.grpcAddress));
    t.match(await client.call(WHICH, {}), { code: OK, reply: 'v1-1' });
    t.match(await client.call(WHICH, { 'x-beta': 'yes' }), { code: OK, reply: 'v2-1' });
    t.match(await client.call(WHICH, { [WAIT]: '5000' }), { code: DEADLINE_EXCEEDED });
    for (const waitMs of [0, 1000]) {
      await mesh.change('Delete', { name: 'till.shop' });
      await eventually('it is gone', async () => (await client.call(WHICH, {})).code === UNAVAILABLE);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      await mesh.apply(till);
      await eventually('it is back', async () => (await client.call(WHICH, {})).reply === 'v1-1');
    }
  },
);

/** Calls all the time. @returns ends it, and says what has failed */
function failuresOf(client: GoClient): { stop(): Promise<string[]> } {
  const failed: string[] = [];
  let running = true;
  const work = async () => {
    for (let i = 0; running; i++) {
      const { code, message } = await client.call(WHICH, { 'x-user-id': `load-${i}` });
      if (code !== OK) failed.push(message);
    }
  };
  const workers = [work(), work()];
  return {
    async stop() {
      running = false;
      await Promise.all(workers);
      return failed;
    },
  };
}
