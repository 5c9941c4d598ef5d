import t from 'tap';
import { startReleases, versionsOf } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { TestMesh } from '../support/mesh.js';
import { checkout, meshService } from '../support/shop.js';

const NOBODY = { id: '', cluster: '', locality: undefined, metadata: {} };

t.test('a sidecar that asks for the state of the world follows every change', async (t) => {
  const backends = await startReleases(t, { v1: 1, v2: 1 });
  const versions = versionsOf(backends);
  const mesh = await TestMesh.start(t, [checkout({ split: { v1: 1 }, spec: { versions } })]);
  const sidecar = await mesh.sidecar({ xdsMode: 'sotw', node: { ...NOBODY, id: 'by-the-state' } });
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
