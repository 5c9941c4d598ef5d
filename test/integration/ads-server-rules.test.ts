import { status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { toStruct } from '../../src/api/struct.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { TestMesh } from '../support/mesh.js';
import { meshService } from '../support/shop.js';
import { XdsClient, type XdsClientOptions, type XdsResponse } from '../support/xds-client.js';

/** Rules of the xDS protocol that a server keeps whatever clients send, in both protocols where both have them. */

type Protocol = 'delta' | 'sotw';

const cart = (spec: object = {}) => meshService('cart.shop', { v1: 1 }, spec);
const pay = (spec: object = {}) => meshService('pay.shop', { v1: 1 }, spec);
const maglev = { loadBalancer: 'maglev' };
const SHOP = { metadata: { namespace: 'shop' } };

async function start(t: Test) {
  const mesh = await TestMesh.start(t, [cart(), pay()], { lingerMs: 50 });
  const address = mesh.controlPlane.grpcAddress;
  return {
    mesh,
    address,
    apply: (...documents: object[]) => mesh.client.call('Apply', { documents: documents.map(toStruct) }),
    connect: (protocol: Protocol, options: XdsClientOptions = SHOP) =>
      protocol === 'delta' ? XdsClient.delta(t, address, options) : XdsClient.sotw(t, address, options),
  };
}

/** Asks for names in either protocol, and acknowledges what comes. */
async function take(client: XdsClient, kind: ResourceKind, ...names: string[]): Promise<XdsResponse> {
  client.send(kind, { resourceNames: names, resourceNamesSubscribe: names });
  const response = await client.next(kind);
  client.ack(response, { resourceNames: names });
  return response;
}

function inEachProtocol(title: string, body: (t: Test, protocol: Protocol) => Promise<void>): void {
  for (const protocol of ['delta', 'sotw'] as const)
    t.test(`${protocol}: ${title}`, (t) => body(t, protocol));
}

inEachProtocol('who the client is, is what its first request says', async (t, protocol) => {
  const { connect, mesh } = await start(t);
  const client = connect(protocol, { ...SHOP, id: 'first' });
  t.same((await take(client, 'listener', 'cart')).names, ['cart']);
  const node = { id: 'second', metadata: { fields: { namespace: { stringValue: 'other' } } } };
  client.send('listener', {
    node,
    responseNonce: client.responses.at(-1)?.nonce,
    resourceNames: ['cart', 'pay'],
    resourceNamesSubscribe: ['pay'],
  });
  t.ok((await client.next('listener')).names.includes('pay'), 'still of the namespace shop');
  const { clients } = await mesh.client.call<{ clients: object[] }>('Status', {});
  t.match(clients, [{ id: 'first', namespace: 'shop' }]);
});

inEachProtocol('names that come twice are sent once', async (t, protocol) => {
  const { connect } = await start(t);
  const client = connect(protocol);
  t.same((await take(client, 'cluster', 'shop/cart/v1', 'shop/cart/v1')).names, ['shop/cart/v1']);
  await client.silence();
});

inEachProtocol('names that are none are names of nothing', async (t, protocol) => {
  const { connect, apply } = await start(t);
  const client = connect(protocol);
  const odd = [
    '',
    '__proto__',
    'constructor',
    'xdstp://authority/envoy.config.cluster.v3.Cluster/x',
    '\0',
    'ü',
  ];
  const { names, removed } = await take(client, 'cluster', ...odd, 'shop/cart/v1');
  t.same(names, ['shop/cart/v1']);
  if (protocol === 'delta') t.same([...removed].sort(), [...odd].sort());
  await apply(cart(maglev));
  t.same((await client.next('cluster')).names, ['shop/cart/v1']);
});

inEachProtocol('a name that is dropped and asked for again is sent again', async (t, protocol) => {
  const { connect } = await start(t);
  const client = connect(protocol);
  for (const kind of ['route', 'cluster'] as const) {
    const [one, two] = kind === 'route' ? ['shop/cart', 'shop/pay'] : ['shop/cart/v1', 'shop/pay/v1'];
    const first = await take(client, kind, one as string, two as string);
    client.send(kind, {
      responseNonce: first.nonce,
      resourceNames: [two],
      resourceNamesUnsubscribe: [one],
    });
    await client.silence();
    client.send(kind, {
      responseNonce: first.nonce,
      resourceNames: [one, two],
      resourceNamesSubscribe: [one],
    });
    t.ok((await client.next(kind)).names.includes(one as string), kind);
  }
});

inEachProtocol('a NACK changes names like any request', async (t, protocol) => {
  const { connect } = await start(t);
  const client = connect(protocol);
  client.send('route', { resourceNames: ['shop/cart'], resourceNamesSubscribe: ['shop/cart'] });
  client.nack(await client.next('route'), 'bad', {
    resourceNames: ['shop/cart', 'shop/pay'],
    resourceNamesSubscribe: ['shop/pay'],
  });
  t.same((await client.next('route')).names, ['shop/pay']);
});

inEachProtocol('an error makes a NACK, whatever version comes with it', async (t, protocol) => {
  const { connect, apply, mesh } = await start(t);
  const client = connect(protocol);
  await take(client, 'cluster', 'shop/cart/v1');
  await apply(cart(maglev));
  const names = { resourceNames: ['shop/cart/v1'] };
  const bad = await client.next('cluster');
  client.nack(bad, 'no', { ...names, versionInfo: bad.version });
  await client.silence();
  const { clients } = await mesh.client.call<{ clients: { types: object[] }[] }>('Status', {});
  t.match(
    clients[0]?.types.filter((each) => (each as { type: string }).type === 'cluster'),
    [{ rejection: { reason: 'no' } }],
  );
});

inEachProtocol('a nonce of another stream says nothing of this one', async (t, protocol) => {
  const { connect } = await start(t);
  const first = await take(connect(protocol), 'route', 'shop/cart');
  const client = connect(protocol);
  client.send('route', {
    responseNonce: first.nonce,
    versionInfo: first.version,
    resourceNames: ['shop/cart'],
    resourceNamesSubscribe: ['shop/cart'],
  });
  t.same(
    (await client.next('route')).names,
    ['shop/cart'],
    'a stream’s first request is no answer to anything',
  );
});

inEachProtocol('a message that is too large ends its stream, and no other', async (t, protocol) => {
  const { connect } = await start(t);
  const [client, other] = [connect(protocol), connect(protocol)];
  await take(other, 'cluster', 'shop/cart/v1');
  client.send('cluster', { errorDetail: { code: 3, message: 'x'.repeat(33 * 1024 * 1024) } });
  t.equal(await client.over(), status.RESOURCE_EXHAUSTED);
  t.same((await take(other, 'listener', 'cart')).names, ['cart']);
});

t.test('delta: without its wildcard, a client hears of the names that it has asked for', async (t) => {
  const { connect, apply } = await start(t);
  const client = connect('delta');
  t.same((await take(client, 'cluster', '*', 'shop/cart/v1')).names, ['shop/cart/v1', 'shop/pay/v1']);
  client.unsubscribe('cluster', '*');
  await client.silence();
  await apply(cart(maglev), pay(maglev));
  t.same((await client.next('cluster')).names, ['shop/cart/v1']);
  client.subscribe('cluster', '*');
  t.same(
    (await client.next('cluster')).names,
    ['shop/cart/v1', 'shop/pay/v1'],
    'all of it, as to anybody new',
  );
});

t.test('delta: names that were never asked for can be dropped', async (t) => {
  const { connect, apply } = await start(t);
  const client = connect('delta');
  await take(client, 'cluster', 'shop/cart/v1');
  client.unsubscribe('cluster', 'shop/pay/v1', 'nothing', '*');
  await client.silence();
  await apply(cart(maglev));
  t.same((await client.next('cluster')).names, ['shop/cart/v1']);
});
