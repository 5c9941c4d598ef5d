import t from 'tap';
import { toStruct } from '../../src/api/struct.js';
import { TestMesh } from '../support/mesh.js';
import { meshService, podsOf } from '../support/shop.js';
import { XdsClient, type XdsResponse } from '../support/xds-client.js';

type Test = Parameters<typeof TestMesh.start>[0];

const cart = (split: Record<string, number> = { v1: 1 }, spec: object = {}) =>
  meshService('cart.shop', split, spec);
const moreEndpoints = { versions: [{ name: 'v1', endpoints: podsOf('v1', 3) }] };

async function start(t: Test, resources: readonly object[] = [cart()], options = {}) {
  const mesh = await TestMesh.start(t, resources, options);
  const address = mesh.controlPlane.grpcAddress;
  const apply = (...documents: object[]) => mesh.client.call('Apply', { documents: documents.map(toStruct) });
  return { mesh, address, apply, client: XdsClient.delta(t, address, { metadata: { namespace: 'shop' } }) };
}

/** Subscribes and acknowledges. */
async function take(
  client: XdsClient,
  kind: Parameters<XdsClient['next']>[0] & string,
  ...names: string[]
): Promise<XdsResponse> {
  client.subscribe(kind, ...names);
  const response = await client.next(kind);
  client.ack(response);
  return response;
}

const domains = ({ resources }: XdsResponse) => {
  const [host] = (resources['shop/cart']?.virtualHosts ?? []) as { domains: string[] }[];
  return host?.domains;
};

t.test('types are independent of each other, and the node comes with the first request only', async (t) => {
  const { client, mesh } = await start(t);
  const cluster = await take(client, 'cluster', 'shop/cart/v1');
  const endpoint = await take(client, 'endpoint', 'shop/cart/v1');
  const listener = await take(client, 'listener', 'cart');
  const route = await take(client, 'route', 'shop/cart');
  t.equal(new Set([cluster, endpoint, listener, route].map(({ nonce }) => nonce)).size, 4);
  t.same(listener.names, ['cart'], 'the bare name: the namespace of the first request holds for all');
  t.match(mesh.controlPlane.grpcAddress, /^127/);
  // An answer to one type's response is none to another's.
  client.send('route', { responseNonce: cluster.nonce, errorDetail: { code: 3, message: 'wrong nonce' } });
  await client.silence();
  const status = await mesh.client.call<{ clients: { inSync: boolean; namespace: string }[] }>('Status', {});
  t.match(status.clients, [{ inSync: true, namespace: 'shop' }]);
});

t.test('an ACK or NACK is answered with nothing; a NACK is told by error_detail alone', async (t) => {
  const { client, mesh, apply } = await start(t);
  const first = await take(client, 'cluster', 'shop/cart/v1');
  await client.silence();
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev' }));
  client.nack(await client.next('cluster'), 'shop/cart/v1: no such policy');
  await client.silence();
  const rejected = async () => {
    const { clients } = await mesh.client.call<{
      clients: { types: { type: string; rejection: object }[] }[];
    }>('Status', {});
    return clients[0]?.types.find(({ type }) => type === 'cluster')?.rejection;
  };
  t.match(await rejected(), { reason: 'shop/cart/v1: no such policy' });
  await apply(cart());
  const again = await client.next('cluster');
  t.equal(again.versions['shop/cart/v1'], first.versions['shop/cart/v1']);
  client.ack(again);
  await client.silence();
  t.equal(await rejected(), null);
});

t.test('subscription changes count even with a stale nonce', async (t) => {
  const { client, apply } = await start(t, [cart(), meshService('pay.shop')]);
  const first = await take(client, 'cluster', 'shop/cart/v1');
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev' }));
  await client.next('cluster');
  client.send('cluster', { responseNonce: first.nonce, resourceNamesSubscribe: ['shop/pay/v1'] });
  t.same((await client.next('cluster')).names, ['shop/pay/v1']);
  client.send('cluster', { responseNonce: 'never-sent', resourceNamesSubscribe: ['shop/pay/v1'] });
  t.same((await client.next('cluster')).names, ['shop/pay/v1'], 'a name that is held is sent again');
});

t.test(
  'a name that does not exist is said to be missing, waited for, and sent when it appears',
  async (t) => {
    const { client, apply } = await start(t);
    for (const [kind, name] of [
      ['cluster', 'shop/pay/v1'],
      ['endpoint', 'shop/pay/v1'],
      ['listener', 'pay.shop.svc.cluster.local:8080'],
      ['route', 'shop/pay'],
    ] as const) {
      const missing = await take(client, kind, name);
      t.same([missing.names, missing.removed], [[], [name]], kind);
    }
    await apply(meshService('pay.shop'));
    for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const) {
      const { names, removed } = await client.next(kind);
      t.equal(names.length, 1, `${kind} appears, in this order`);
      t.same(removed, []);
    }
    await client.silence();
  },
);

t.test('what is deleted is removed by name, stays on the watch list, and comes back', async (t) => {
  const { client, mesh, apply } = await start(t, [cart()], { lingerMs: 200 });
  await take(client, 'cluster', 'shop/cart/v1');
  await take(client, 'endpoint', 'shop/cart/v1');
  await take(client, 'listener', 'cart.shop');
  await take(client, 'route', 'shop/cart');
  await mesh.client.call('Delete', { name: 'cart.shop' });
  t.same((await client.next('listener')).removed, ['cart.shop']);
  t.same((await client.next('route')).removed, ['shop/cart']);
  t.same((await client.next('cluster')).removed, ['shop/cart/v1'], 'the cluster a while later');
  t.same((await client.next('endpoint')).removed, ['shop/cart/v1']);
  await client.silence();
  await apply(cart());
  for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const)
    t.equal((await client.next(kind)).names.length, 1, kind);
});

t.test('a dropped cluster that comes back while it lingers was never away', async (t) => {
  const { client, apply } = await start(t, [cart({ v1: 90, v2: 10 })], { lingerMs: 60_000 });
  client.subscribe('cluster', '*');
  t.same((await client.next('cluster')).names, ['shop/cart/v1', 'shop/cart/v2']);
  await take(client, 'endpoint', 'shop/cart/v2');
  await apply(cart({ v1: 1 }));
  await client.silence();
  const newcomer = XdsClient.delta(t, client.stream.getPeer());
  newcomer.subscribe('cluster', '*');
  t.same((await newcomer.next('cluster')).names, ['shop/cart/v1', 'shop/cart/v2'], 'it is served meanwhile');
  await apply(cart({ v1: 90, v2: 10 }, { loadBalancer: 'maglev' }));
  const back = await client.next('cluster');
  t.same([back.names, back.removed], [['shop/cart/v1', 'shop/cart/v2'], []], 'the new form of it is sent');
  t.same((await client.next('endpoint')).names, ['shop/cart/v2']);
  await client.silence();
});

t.test(
  'wildcards: legacy for listeners and clusters, explicit for all, never legacy for the others',
  async (t) => {
    const { client, address, apply } = await start(t);
    client.send('listener');
    client.send('cluster');
    client.send('route');
    client.send('endpoint');
    t.same((await client.next('listener')).names, ['cart.shop'], 'each service once, under its own name');
    t.same((await client.next('cluster')).names, ['shop/cart/v1']);
    await client.silence();
    const explicit = XdsClient.delta(t, address);
    for (const [kind, name] of [
      ['listener', 'cart.shop'],
      ['route', 'shop/cart'],
      ['endpoint', 'shop/cart/v1'],
    ] as const) {
      t.same((await take(explicit, kind, '*')).names, [name], kind);
    }
    await apply(meshService('pay.shop'));
    const pushed = [await explicit.next(), await explicit.next(), await explicit.next()];
    t.same(
      pushed.map(({ kind, names }) => [kind, ...names]),
      [
        ['endpoint', 'shop/pay/v1'],
        ['listener', 'pay.shop'],
        ['route', 'shop/pay'],
      ],
    );
  },
);

t.test('a wildcard with nothing behind it is answered with nothing', async (t) => {
  const { client } = await start(t, []);
  for (const kind of ['listener', 'cluster', 'route'] as const) {
    const { names, removed } = await take(client, kind, '*');
    t.same([names, removed], [[], []], kind);
  }
});

t.test(
  'unsubscribing a name under a wildcard is answered with the resource, or that there is none',
  async (t) => {
    const { client } = await start(t);
    client.subscribe('cluster', '*', 'shop/cart/v1', 'shop/none/v1');
    const first = await client.next('cluster');
    t.same([first.names, first.removed], [['shop/cart/v1'], ['shop/none/v1']]);
    client.unsubscribe('cluster', 'shop/cart/v1');
    t.same((await client.next('cluster')).names, ['shop/cart/v1']);
    client.unsubscribe('cluster', 'shop/none/v1');
    t.same((await client.next('cluster')).removed, ['shop/none/v1']);
    client.unsubscribe('cluster', '*');
    await client.silence();
  },
);

t.test(
  'an alias of a listener is pushed to who asked for it, and a wildcard hears nothing of it',
  async (t) => {
    const { client, address, apply, mesh } = await start(t, [cart()], { lingerMs: 100 });
    const all = XdsClient.delta(t, address);
    await take(all, 'listener', '*');
    t.same((await take(client, 'listener', 'basket.internal')).removed, ['basket.internal']);
    await apply(cart({ v1: 1 }, { hosts: ['basket.internal'] }));
    t.same((await client.next('listener')).names, ['basket.internal']);
    await apply(cart());
    t.same((await client.next('listener')).removed, ['basket.internal']);
    await all.silence();
    await mesh.client.call('Delete', { name: 'cart.shop' });
    t.same((await all.next('listener')).removed, ['cart.shop'], 'and not every other name of the service');
  },
);

t.test(
  'after a reconnection: the changed is sent, the unchanged is not, the vanished is removed',
  async (t) => {
    const { client, address, apply, mesh } = await start(
      t,
      [cart({ v1: 90, v2: 10 }), meshService('pay.shop'), meshService('old.shop')],
      { lingerMs: 50 },
    );
    const before = await take(client, 'cluster', '*');
    t.equal(before.names.length, 4);
    client.close();
    await mesh.client.call('Delete', { name: 'old.shop' });
    await apply(meshService('pay.shop', { v1: 1 }, { loadBalancer: 'maglev' }));
    await new Promise((resolve) => setTimeout(resolve, 150));

    const again = XdsClient.delta(t, address);
    again.send('cluster', { resourceNamesSubscribe: ['*'], initialResourceVersions: before.versions });
    const after = await again.next('cluster');
    t.same([after.names, after.removed], [['shop/pay/v1'], ['shop/old/v1']]);

    const named = XdsClient.delta(t, address);
    const names = ['shop/cart/v1', 'shop/old/v1'];
    named.send('cluster', { resourceNamesSubscribe: names, initialResourceVersions: before.versions });
    const two = await named.next('cluster');
    t.same(
      [two.names, two.removed],
      [[], ['shop/old/v1']],
      'of what it holds, only what it still wants counts',
    );

    const uptodate = XdsClient.delta(t, address);
    uptodate.send('route', { resourceNamesSubscribe: ['shop/cart'] });
    const route = await uptodate.next('route');
    const third = XdsClient.delta(t, address);
    third.send('route', { resourceNamesSubscribe: ['shop/cart'], initialResourceVersions: route.versions });
    await third.silence();
    third.send('route', {
      resourceNamesSubscribe: ['shop/pay'],
      initialResourceVersions: { 'shop/pay': 'x' },
    });
    t.same((await third.next('route')).names, ['shop/pay'], 'versions count in the first request only');
  },
);

t.test('a push is in make-before-break order', async (t) => {
  const { client, apply } = await start(t);
  await take(client, 'route', 'shop/cart');
  await take(client, 'listener', 'cart.shop', 'basket.internal');
  await take(client, 'cluster', 'shop/cart/v1', 'shop/cart/v2');
  await take(client, 'endpoint', 'shop/cart/v1', 'shop/cart/v2');
  await apply(cart({ v1: 90, v2: 10 }, { hosts: ['basket.internal'] }));
  const kinds = [];
  for (let i = 0; i < 4; i++) kinds.push((await client.next()).kind);
  t.same(kinds, ['cluster', 'endpoint', 'listener', 'route']);
  await client.silence();
});

t.test('a cluster that changes is followed by its endpoints, changed or not', async (t) => {
  const { client, apply } = await start(t, [cart(), meshService('pay.shop')]);
  await take(client, 'cluster', '*');
  const endpoints = await take(client, 'endpoint', 'shop/cart/v1');
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev' }));
  t.same((await client.next('cluster')).names, ['shop/cart/v1']);
  const warmed = await client.next('endpoint');
  t.same(warmed.versions, endpoints.versions, 'the same endpoints, once more');
  await apply(meshService('pay.shop', { v1: 1 }, { loadBalancer: 'maglev' }));
  t.same((await client.next('cluster')).names, ['shop/pay/v1']);
  await client.silence();
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev', ...moreEndpoints }));
  t.same((await client.next('endpoint')).names, ['shop/cart/v1'], 'endpoints alone need no cluster');
  await client.silence();
});

t.test('a cluster that changed while the client was away is followed by its endpoints, too', async (t) => {
  const { client, address, apply } = await start(t);
  const cluster = await take(client, 'cluster', '*');
  const endpoint = await take(client, 'endpoint', 'shop/cart/v1');
  client.close();
  await apply(cart({ v1: 1 }, { loadBalancer: 'maglev' }));
  const again = XdsClient.delta(t, address);
  again.send('cluster', { resourceNamesSubscribe: ['*'], initialResourceVersions: cluster.versions });
  t.same((await again.next('cluster')).names, ['shop/cart/v1']);
  const request = { resourceNamesSubscribe: ['shop/cart/v1'], initialResourceVersions: endpoint.versions };
  again.send('endpoint', request);
  t.same((await again.next('endpoint')).versions, endpoint.versions);

  const otherOrder = XdsClient.delta(t, address);
  otherOrder.send('endpoint', request);
  otherOrder.send('cluster', { resourceNamesSubscribe: ['*'], initialResourceVersions: cluster.versions });
  t.same((await otherOrder.next('cluster')).names, ['shop/cart/v1']);
  t.same((await otherOrder.next('endpoint')).versions, endpoint.versions);
  await otherOrder.silence();
});

t.test('clients of two namespaces see the same route configuration with different domains', async (t) => {
  const { address, client, apply } = await start(t);
  const stranger = XdsClient.delta(t, address, { metadata: { namespace: 'other' } });
  const istio = XdsClient.delta(t, address, {
    id: 'sidecar~10.0.0.1~frontend-1.shop~shop.svc.cluster.local',
  });
  const [own, foreign, byId] = [
    await take(client, 'route', 'shop/cart'),
    await take(stranger, 'route', 'shop/cart'),
    await take(istio, 'route', 'shop/cart'),
  ];
  t.same(domains(own)?.slice(0, 3), ['cart', 'cart:8080', 'cart.shop']);
  t.same(domains(foreign)?.slice(0, 2), ['cart.shop', 'cart.shop:8080']);
  t.not(own.versions['shop/cart'], foreign.versions['shop/cart']);
  t.equal(byId.versions['shop/cart'], own.versions['shop/cart'], "Istio's node ids tell the namespace");
  t.same((await take(client, 'listener', 'cart')).names, ['cart']);
  t.same((await take(stranger, 'listener', 'cart')).removed, ['cart']);
  await apply(cart({ v1: 3, v2: 1 }));
  t.ok(domains(await client.next('route'))?.includes('cart'));
  t.notOk(domains(await stranger.next('route'))?.includes('cart'));
});

t.test('an unknown type is passed over, and the stream goes on', async (t) => {
  const { client } = await start(t);
  client.send('type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret', {
    resourceNamesSubscribe: ['x'],
  });
  client.send('nonsense', { responseNonce: '7', errorDetail: { code: 3, message: 'no' } });
  client.send('');
  await client.silence();
  t.same((await take(client, 'cluster', 'shop/cart/v1')).names, ['shop/cart/v1']);
});

t.test('a mesh too large for one message comes in several, each with its own nonce', async (t) => {
  const wide = Array.from({ length: 400 }, (_, i) => ({
    address: `[fd00:1111:2222:3333:4444:5555:6666:${(0x1000 + i).toString(16)}]:80`,
  }));
  const many = Array.from({ length: 60 }, (_, i) =>
    meshService(`s${i}.shop`, { v1: 1 }, { versions: [{ name: 'v1', endpoints: wide }] }),
  );
  const { client } = await start(t, many);
  client.subscribe('endpoint', '*');
  const seen = new Set<string>();
  const nonces = new Set<string>();
  while (seen.size < 60) {
    const response = await client.next('endpoint');
    nonces.add(response.nonce);
    for (const name of response.names) seen.add(name);
    client.ack(response);
  }
  t.ok(nonces.size > 1, `${nonces.size} responses`);
  t.ok(client.responses.every(({ names }) => names.length > 0));
  await client.silence();
});

t.test('the end of the client is the end of the stream', async (t) => {
  const { client, mesh } = await start(t);
  await take(client, 'cluster', 'shop/cart/v1');
  client.stream.end();
  t.equal(await client.over(), 0);
  const { clients } = await mesh.client.call<{ clients: object[] }>('Status', {});
  t.same(clients, []);
});

t.test('what is deleted and made again just as it was is not quite as it was', async (t) => {
  const { client, mesh, apply } = await start(t, [cart()], { lingerMs: 50 });
  const names = { listener: 'cart.shop.svc', cluster: 'shop/cart/v1' } as const;
  const before = [
    await take(client, 'listener', names.listener),
    await take(client, 'cluster', names.cluster),
  ];
  await mesh.client.call('Delete', { name: 'cart.shop' });
  t.same((await client.next('listener')).removed, [names.listener]);
  t.same((await client.next('cluster')).removed, [names.cluster]);
  await apply(cart());
  const [cluster, listener] = [await client.next('cluster'), await client.next('listener')];
  t.not(listener.versions[names.listener], before[0]?.versions[names.listener]);
  t.not(cluster.versions[names.cluster], before[1]?.versions[names.cluster]);
  await apply(cart({ v1: 1 }, { hosts: ['basket.internal'] }));
  await client.silence();
});

t.test('a control plane that has lost its data makes other resources than the one before', async (t) => {
  const versions = [];
  for (let round = 0; round < 2; round++) {
    const { client, mesh } = await start(t);
    versions.push((await take(client, 'listener', 'cart.shop')).versions['cart.shop']);
    await mesh.controlPlane.stop();
  }
  t.not(versions[0], versions[1]);
});
