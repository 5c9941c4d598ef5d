import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { startReleases, versionsOf } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { temporaryFolder } from '../support/folder.js';
import { TestMesh } from '../support/mesh.js';
import { eventually, RoostProcess, roost } from '../support/processes.js';
import { checkout, meshService } from '../support/shop.js';

t.test('a sidecar that asks for the state of the world follows every change', async (t) => {
  const backends = await startReleases(t, { v1: 1, v2: 1 });
  const versions = versionsOf(backends);
  const mesh = await TestMesh.start(t, [checkout({ split: { v1: 1 }, spec: { versions } })]);
  const sidecar = await mesh.sidecar({ xdsMode: 'sotw', nodeId: 'by-the-state' });
  const call = caller(t, sidecar.addresses.outbound);
  t.equal((await call('checkout')).backend, 'v1-1');
  await mesh.split('checkout.shop', { v2: 1 });
  t.equal((await call('checkout')).backend, 'v2-1', 'in force once it is acknowledged');
  const [v1, v2] = versions as [{ endpoints: object[] }, { endpoints: object[] }];
  const swapped = [
    { ...v1, endpoints: v2.endpoints },
    { ...v2, endpoints: v1.endpoints },
  ];
  await mesh.apply(checkout({ split: { v2: 1 }, spec: { versions: swapped } }));
  t.equal((await call('checkout')).backend, 'v1-1', 'so are endpoints');
  await mesh.apply(meshService('till.shop', { v1: 1 }, { versions: [v1] }));
  t.equal((await call('till')).backend, 'v1-1', 'and services');
  await mesh.change('Delete', { name: 'till.shop' });
  t.equal((await call('till')).status, 404);
  const { clients } = await mesh.client.call<{ clients: object[] }>('Status', {});
  t.match(clients, [{ id: 'by-the-state', protocol: 'sotw', inSync: true }]);

  const answer = await fetch(`http://${sidecar.addresses.admin}/client_status`);
  const { config } = (await answer.json()) as {
    config: { node: object; genericXdsConfigs: { name: string; clientStatus: string }[] }[];
  };
  t.match(config, [{ node: { id: 'by-the-state' } }]);
  const names = config[0]?.genericXdsConfigs
    .map(({ name, clientStatus }) => `${name} ${clientStatus}`)
    .filter((line) => line.includes('checkout'))
    .sort();
  t.same(names, [
    'checkout.shop ACKED',
    'shop/checkout ACKED',
    'shop/checkout/v1 ACKED',
    'shop/checkout/v1 ACKED',
    'shop/checkout/v2 ACKED',
    'shop/checkout/v2 ACKED',
  ]);
});

t.test("gRPC's bootstrap says where the control plane is, and who one is", async (t) => {
  const mesh = await TestMesh.start(t, [meshService('cart.shop')]);
  const address = mesh.controlPlane.grpcAddress;
  const printed = await roost(['bootstrap', 'grpc', '--control-plane', address, '--node', 'pod-7']);
  const file = join(await temporaryFolder(t), 'bootstrap.json');
  await writeFile(file, printed.stdout);
  const ids = async () =>
    (await mesh.client.call<{ clients: { id: string }[] }>('Status', {})).clients.map(({ id }) => id).join();
  const ports = ['--outbound', '--inbound', '--admin'].flatMap((flag) => [flag, '127.0.0.1:0']);
  const args = ['sidecar', '--service', 'cart.shop', ...ports];

  const byFile = RoostProcess.start(t, args, { GRPC_XDS_BOOTSTRAP: file });
  await byFile.logged('the first configuration is in force');
  t.equal(await ids(), 'pod-7');
  await byFile.kill('SIGTERM');
  const byText = RoostProcess.start(t, args, { GRPC_XDS_BOOTSTRAP_CONFIG: printed.stdout });
  await byText.logged('the first configuration is in force');
  await eventually('the other is gone', async () => (await ids()) === 'pod-7');
  await byText.kill('SIGTERM');
  const elsewhere = printed.stdout.replace(address, '127.0.0.1:1');
  const byFlag = RoostProcess.start(t, [...args, '--control-plane', address], {
    GRPC_XDS_BOOTSTRAP_CONFIG: elsewhere,
  });
  await byFlag.logged('the first configuration is in force');
  t.equal(await ids(), 'pod-7', 'a flag goes before the bootstrap');
  await byFlag.kill('SIGTERM');

  const broken = await roost(args, { env: { GRPC_XDS_BOOTSTRAP_CONFIG: '{"xds_servers": []}' } });
  t.equal(broken.code, 2);
  t.match(
    broken.stderr,
    /^GRPC_XDS_BOOTSTRAP_CONFIG: xds_servers\[0\]\.server_uri must be HOST:PORT or dns:/,
  );
  const missing = await roost(args, { env: { GRPC_XDS_BOOTSTRAP: '/nowhere/b.json' } });
  t.equal(missing.code, 1);
  t.match(missing.stderr, /no such file.*\/nowhere\/b\.json/);
});
