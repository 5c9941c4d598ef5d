import t from 'tap';
import { toStruct } from '../../src/api/struct.js';
import { TestMesh } from '../support/mesh.js';
import { meshService } from '../support/shop.js';
import { XdsClient, type XdsResponse } from '../support/xds-client.js';

type Test = Parameters<typeof TestMesh.start>[0];

async function start(t: Test) {
  const mesh = await TestMesh.start(t, [meshService('cart.shop'), meshService('pay.bank')]);
  const apply = (...documents: object[]) => mesh.client.call('Apply', { documents: documents.map(toStruct) });
  const address = mesh.controlPlane.grpcAddress;
  return { mesh, apply, address, metadata: { namespace: 'shop' } };
}

const hosts = ({ resources }: XdsResponse) =>
  Object.fromEntries(
    ((resources.outbound?.virtualHosts ?? []) as { name: string; domains: string[] }[]).map(
      ({ name, domains }) => [name, domains.filter((domain) => /^\w+(\.\w+)?$/.test(domain)).join(' ')],
    ),
  );

t.test('one route configuration has every service, as its namespace sees them', async (t) => {
  const { apply, address, metadata, mesh } = await start(t);
  const client = XdsClient.delta(t, address, { metadata });
  client.subscribe('route', 'outbound');
  const first = await client.next('route');
  client.ack(first);
  t.same(first.names, ['outbound']);
  t.same(hosts(first), { 'shop/cart': 'cart cart.shop', 'bank/pay': 'pay.bank' });

  await apply(meshService('till.shop'));
  const second = await client.next('route');
  client.ack(second);
  t.same(second.names, ['outbound'], 'only what was asked for');
  t.same(Object.keys(hosts(second)).sort(), ['bank/pay', 'shop/cart', 'shop/till']);

  await mesh.client.call('Delete', { name: 'pay.bank' });
  const third = await client.next('route');
  client.ack(third);
  t.same(Object.keys(hosts(third)).sort(), ['shop/cart', 'shop/till']);

  await apply(meshService('cart.shop', { v1: 1 }, { loadBalancer: 'maglev' }));
  await client.silence();
});

t.test('state of the world: the same, by name', async (t) => {
  const { apply, address, metadata } = await start(t);
  const client = XdsClient.sotw(t, address, { metadata });
  client.send('route', { resourceNames: ['outbound'] });
  const first = await client.next('route');
  client.ack(first, { resourceNames: ['outbound'] });
  t.same(Object.keys(hosts(first)).sort(), ['bank/pay', 'shop/cart']);
  await apply(meshService('till.shop'));
  t.same(Object.keys(hosts(await client.next('route'))).sort(), ['bank/pay', 'shop/cart', 'shop/till']);
});

t.test('a wildcard is without it, and so is one that asks for another name', async (t) => {
  const { apply, address, metadata } = await start(t);
  const everything = XdsClient.delta(t, address, { metadata });
  everything.subscribe('route', '*');
  const all = await everything.next('route');
  everything.ack(all);
  t.same([...all.names].sort(), ['bank/pay', 'shop/cart']);
  await apply(meshService('cart.shop', { v1: 1, v2: 1 }));
  t.same((await everything.next('route')).names, ['shop/cart']);
  await everything.silence();
});
