import t from 'tap';
import { toStruct } from '../../src/api/struct.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { TestMesh } from '../support/mesh.js';
import { meshService, podsOf } from '../support/shop.js';
import { XdsClient, type XdsResponse } from '../support/xds-client.js';

type Test = Parameters<typeof TestMesh.start>[0];

const cart = (split: Record<string, number> = { v1: 1 }, spec: object = {}) =>
  meshService('cart.shop', split, spec);
const pay = (spec: object = {}) => meshService('pay.shop', { v1: 1 }, spec);

async function start(t: Test, resources: readonly object[] = [cart(), pay()], options = {}) {
  const mesh = await TestMesh.start(t, resources, options);
  const address = mesh.controlPlane.grpcAddress;
  const apply = (...documents: object[]) => mesh.client.call('Apply', { documents: documents.map(toStruct) });
  return { mesh, address, apply, client: XdsClient.sotw(t, address, { metadata: { namespace: 'shop' } }) };
}

/** Asks for exactly these names and acknowledges what comes. */
async function take(client: XdsClient, kind: ResourceKind, ...resourceNames: string[]): Promise<XdsResponse> {
  client.send(kind, { resourceNames });
  const response = await client.next(kind);
  client.ack(response, { resourceNames });
  return response;
}

const domains = ({ resources }: XdsResponse) => {
  const [host] = (resources['shop/cart']?.virtualHosts ?? []) as { domains: string[] }[];
  return host?.domains;
};

t.test('each type has its own version and nonce, and an ACK is answered with nothing', async (t) => {
  const { client, mesh } = await start(t);
  const responses = [
    await take(client, 'cluster', 'shop/cart/v1'),
    await take(client, 'endpoint', 'shop/cart/v1'),
    await take(client, 'listener', 'cart'),
    await take(client, 'route', 'shop/cart'),
  ];
  t.equal(new Set(responses.map(({ nonce }) => nonce)).size, 4);
  t.equal(new Set(responses.map(({ version }) => version)).size, 4);
  for (const { kind, names, version } of responses) {
    t.equal(names.length, 1, kind);
    t.not(version, '', kind);
  }
  await client.silence();
  const { clients } = await mesh.client.call<{ clients: object[] }>('Status', {});
  t.match(clients, [{ inSync: true, protocol: 'sotw' }]);
});

t.test('the version follows what the client asked for, and nothing else', async (t) => {
  const { client, address, apply } = await start(t);
  const first = await take(client, 'cluster', 'shop/cart/v1');
  await apply(pay({ loadBalancer: 'maglev' }));
  await client.silence();
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev' }));
  const second = await client.next('cluster');
  t.not(second.version, first.version);
  client.ack(second, { resourceNames: ['shop/cart/v1'] });
  await apply(cart());
  t.equal((await client.next('cluster')).version, first.version, 'the same content, the same version');
  const other = XdsClient.sotw(t, address);
  t.equal((await take(other, 'cluster', 'shop/cart/v1')).version, first.version, 'for every client');
});

t.test('a NACK is told by error_detail alone, is not answered, and the next version is sent', async (t) => {
  const { client, mesh, apply } = await start(t);
  const first = await take(client, 'route', 'shop/cart');
  await apply(cart({ v1: 3, v2: 1 }));
  const bad = await client.next('route');
  // The version of a NACK is the one that the client still runs.
  client.send('route', {
    resourceNames: ['shop/cart'],
    responseNonce: bad.nonce,
    versionInfo: first.version,
    errorDetail: { code: 3, message: 'no weights, please' },
  });
  await client.silence();
  const rejection = async () => {
    const { clients } = await mesh.client.call<{
      clients: { inSync: boolean; types: { type: string; rejection: { reason: string } | null }[] }[];
    }>('Status', {});
    return clients[0]?.types.find(({ type }) => type === 'route')?.rejection?.reason;
  };
  t.equal(await rejection(), 'no weights, please');
  await apply(cart());
  const good = await client.next('route');
  client.send('route', { resourceNames: ['shop/cart'], responseNonce: good.nonce, versionInfo: 'whatever' });
  await client.silence();
  t.equal(await rejection(), undefined, 'an ACK with an odd version is an ACK');
});

t.test('a request with a stale nonce is ignored, names included', async (t) => {
  const { client, apply } = await start(t);
  const first = await take(client, 'cluster', 'shop/cart/v1');
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev' }));
  const second = await client.next('cluster');
  client.ack(first, { resourceNames: ['shop/cart/v1', 'shop/pay/v1'] });
  client.send('cluster', { responseNonce: 'never-sent', resourceNames: ['shop/pay/v1'] });
  await client.silence();
  client.ack(second, { resourceNames: ['shop/cart/v1', 'shop/pay/v1'] });
  t.same((await client.next('cluster')).names, ['shop/cart/v1', 'shop/pay/v1']);
});

t.test('names added are sent, also where the version is unchanged; names dropped are not', async (t) => {
  const { client, apply } = await start(t);
  const first = await take(client, 'endpoint', 'shop/cart/v1');
  client.ack(first, { resourceNames: ['shop/cart/v1', 'shop/pay/v1'] });
  const added = await client.next('endpoint');
  t.same(added.names, ['shop/pay/v1'], 'a partial response holds what is new');
  client.ack(added, { resourceNames: ['shop/pay/v1'] });
  await client.silence();
  await apply(cart({ v1: 1 }, { versions: [{ name: 'v1', endpoints: podsOf('v1', 2) }] }));
  await client.silence();
  client.ack(added, { resourceNames: ['shop/pay/v1', 'shop/cart/v1'] });
  t.same((await client.next('endpoint')).names, ['shop/cart/v1'], 'a name that was dropped is sent anew');
});

t.test('listeners and clusters are complete, routes and endpoints partial', async (t) => {
  const { client, apply } = await start(t);
  const names = {
    cluster: ['shop/cart/v1', 'shop/pay/v1'],
    endpoint: ['shop/cart/v1', 'shop/pay/v1'],
    listener: ['cart.shop', 'pay.shop', 'till.internal'],
    route: ['shop/cart', 'shop/pay'],
  };
  for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const)
    await take(client, kind, ...names[kind]);
  await apply(
    pay({
      loadBalancer: 'maglev',
      hosts: ['till.internal'],
      versions: [{ name: 'v1', endpoints: podsOf('v1', 2) }],
    }),
  );
  const pushed = [await client.next(), await client.next(), await client.next(), await client.next()];
  t.same(
    pushed.map(({ kind, names }) => [kind, ...names]),
    [
      ['cluster', 'shop/cart/v1', 'shop/pay/v1'],
      ['endpoint', 'shop/pay/v1'],
      ['listener', 'cart.shop', 'pay.shop', 'till.internal'],
      ['route', 'shop/pay'],
    ],
    'and in make-before-break order',
  );
  await client.silence();
});

t.test('absence from a complete response is deletion; routes and endpoints just stop', async (t) => {
  const { client, mesh } = await start(t, [cart(), pay()], { lingerMs: 100 });
  for (const [kind, ...names] of [
    ['cluster', 'shop/cart/v1', 'shop/pay/v1'],
    ['endpoint', 'shop/cart/v1', 'shop/pay/v1'],
    ['listener', 'pay.shop'],
    ['route', 'shop/cart', 'shop/pay'],
  ] as const)
    await take(client, kind, ...names);
  await mesh.client.call('Delete', { name: 'pay.shop' });
  const listener = await client.next('listener');
  t.same(listener.names, [], 'an empty response says that there is nothing');
  client.ack(listener, { resourceNames: ['pay.shop'] });
  t.same((await client.next('cluster')).names, ['shop/cart/v1'], 'the cluster a while later');
  await client.silence();
});

t.test('names that do not exist are waited for', async (t) => {
  const { client, apply } = await start(t);
  t.same(
    (await take(client, 'listener', 'till.shop')).names,
    [],
    'said at once where responses are complete',
  );
  t.same((await take(client, 'cluster', 'shop/till/v1')).names, []);
  client.send('route', { resourceNames: ['shop/till'] });
  client.send('endpoint', { resourceNames: ['shop/till/v1'] });
  await client.silence();
  await apply(meshService('till.shop'));
  for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const)
    t.equal((await client.next(kind)).names.length, 1, kind);
});

t.test('legacy wildcard: no name, ever; a name ends it, and an empty list then means nothing', async (t) => {
  const { client, apply } = await start(t);
  const all = await take(client, 'cluster');
  t.same(all.names, ['shop/cart/v1', 'shop/pay/v1']);
  client.ack(all);
  await client.silence();
  client.ack(all, { resourceNames: ['shop/cart/v1'] });
  const one = await client.next('cluster');
  t.same(one.names, ['shop/cart/v1']);
  client.ack(one, { resourceNames: [] });
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev' }));
  await client.silence();
  client.send('route', { resourceNames: [] });
  client.send('endpoint', { resourceNames: [] });
  await client.silence();
});

t.test('the explicit wildcard, alone and beside names', async (t) => {
  const { client, apply } = await start(t);
  const both = await take(client, 'listener', '*', 'cart');
  t.same([...both.names].sort(), ['cart', 'cart.shop', 'pay.shop']);
  await take(client, 'route', '*');
  await apply(meshService('till.shop'));
  const listener = await client.next('listener');
  t.same([...listener.names].sort(), ['cart', 'cart.shop', 'pay.shop', 'till.shop']);
  t.same((await client.next('route')).names, ['shop/till']);
  client.ack(listener, { resourceNames: ['cart'] });
  await client.silence();
  await apply(meshService('inn.shop'));
  await client.next('route');
  await client.silence();
});

t.test('a wildcard with nothing behind it is answered with nothing', async (t) => {
  const { client } = await start(t, []);
  t.same((await take(client, 'cluster')).names, []);
  t.same((await take(client, 'listener', '*')).names, []);
  t.same((await take(client, 'route', '*')).names, []);
});

t.test('a new stream of a client that knows the versions is answered once more', async (t) => {
  const { client, address } = await start(t);
  const before = await take(client, 'cluster', 'shop/cart/v1');
  client.close();
  const again = XdsClient.sotw(t, address);
  again.send('cluster', { resourceNames: ['shop/cart/v1'], versionInfo: before.version });
  const after = await again.next('cluster');
  t.equal(after.version, before.version);
  t.not(after.nonce, '', 'with a nonce of the new stream');
});

t.test('a cluster that changes is followed by its endpoints, changed or not', async (t) => {
  const { client, apply } = await start(t);
  await take(client, 'cluster');
  const endpoints = await take(client, 'endpoint', 'shop/cart/v1');
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev' }), pay({ loadBalancer: 'maglev' }));
  const names = (await client.next('cluster')).names;
  t.same(names, ['shop/cart/v1', 'shop/pay/v1']);
  const warmed = await client.next('endpoint');
  t.same([warmed.names, warmed.version], [['shop/cart/v1'], endpoints.version]);
  await client.silence();
});

t.test('clusters asked for after their endpoints are followed by them', async (t) => {
  const { client } = await start(t);
  await take(client, 'endpoint', 'shop/cart/v1', 'shop/pay/v1');
  t.same((await take(client, 'cluster')).names, ['shop/cart/v1', 'shop/pay/v1']);
  t.same((await client.next('endpoint')).names, ['shop/cart/v1', 'shop/pay/v1']);
  await client.silence();
});

t.test('clients of two namespaces see the same route configuration with different domains', async (t) => {
  const { address, client } = await start(t);
  const stranger = XdsClient.sotw(t, address, { metadata: { NAMESPACE: 'other' } });
  t.ok(domains(await take(client, 'route', 'shop/cart'))?.includes('cart'));
  t.notOk(domains(await take(stranger, 'route', 'shop/cart'))?.includes('cart'));
  t.same((await take(stranger, 'listener', 'cart')).names, []);
});

t.test('an unknown type is passed over, and the stream goes on', async (t) => {
  const { client } = await start(t);
  client.send('type.googleapis.com/envoy.service.runtime.v3.Runtime', { resourceNames: ['rtds'] });
  await client.silence();
  t.same((await take(client, 'cluster', 'shop/cart/v1')).names, ['shop/cart/v1']);
});

t.test(
  'a gRPC client gets each load assignment and each route configuration in a response of its own',
  async (t) => {
    const { address, apply } = await start(t);
    const agent = 'gRPC Node Pure JS';
    const grpc = XdsClient.sotw(t, address, { metadata: { namespace: 'shop' }, agent });
    const names = { endpoint: ['shop/cart/v1', 'shop/pay/v1'], route: ['shop/cart', 'shop/pay'] };
    for (const kind of ['endpoint', 'route'] as const) {
      grpc.send(kind, { resourceNames: names[kind] });
      const [first, second] = [await grpc.next(kind), await grpc.next(kind)];
      t.same([first.names, second.names], [[names[kind][0]], [names[kind][1]]]);
      t.equal(first.version, second.version, 'of one version');
      grpc.ack(second, { resourceNames: names[kind] });
    }
    const more = { versions: [{ name: 'v1', endpoints: podsOf('v1', 2) }] };
    await apply(cart({ v1: 1 }, more), pay(more));
    t.same((await grpc.next('endpoint')).names, ['shop/cart/v1']);
    t.same((await grpc.next('endpoint')).names, ['shop/pay/v1']);
    await grpc.silence();
  },
);
