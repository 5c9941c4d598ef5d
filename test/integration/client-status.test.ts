import { Client, credentials } from '@grpc/grpc-js';
import t from 'tap';
import type { StatusResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { codec, type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { messages } from '../../src/xds/fields.js';
import { LRS_SERVICE, withWaiting } from '../../src/xds/load-report.js';
import { messageNameOf } from '../../src/xds/resource-types.js';
import { csdsClient, statusLines } from '../support/csds.js';
import { TestMesh } from '../support/mesh.js';
import { eventually, roost } from '../support/processes.js';
import { meshService } from '../support/shop.js';
import { XdsClient } from '../support/xds-client.js';

const cart = (split: Record<string, number>) => meshService('cart.shop', split);
const metadata = { namespace: 'shop' };

t.test('shows for each client what was sent to it, and what it has said to that', async (t) => {
  const mesh = await TestMesh.start(t, [cart({ v1: 1 })]);
  const { grpcAddress } = mesh.controlPlane;
  const { once } = csdsClient(t, grpcAddress);
  t.same((await once({})).config, [], 'nobody is connected');
  const client = XdsClient.delta(t, grpcAddress, { id: 'odd-one', metadata });
  client.subscribe('cluster', '*');
  const clusters = await client.next('cluster');
  t.same(statusLines(await once({})), ['cluster shop/cart/v1 STALE REQUESTED']);
  client.ack(clusters);
  client.subscribe('endpoint', 'shop/cart/v1', 'shop/cart/v9');
  client.ack(await client.next('endpoint'));
  const settled = [
    'cluster shop/cart/v1 SYNCED ACKED',
    'endpoint shop/cart/v1 SYNCED ACKED',
    'endpoint shop/cart/v9 SYNCED DOES_NOT_EXIST',
  ];
  await eventually('all is answered', async () => statusLines(await once({})).join() === settled.join());

  const [config] = messages((await once({})).config);
  t.match(config?.node, { id: 'odd-one', metadata: { fields: { namespace: { stringValue: 'shop' } } } });
  const [shown] = messages(config?.genericXdsConfigs) as [Message & { xdsConfig: { value: Uint8Array } }];
  t.equal(shown.versionInfo, clusters.versions['shop/cart/v1']);
  t.same(
    codec(messageNameOf('cluster')).decode(shown.xdsConfig.value),
    clusters.resources['shop/cart/v1'],
    'with what is in it',
  );
  const [bare] = messages((await once({ excludeResourceContents: true })).config);
  t.notOk(messages(bare?.genericXdsConfigs)[0]?.xdsConfig);
});

t.test('drift: what a client rejected or has not answered, in CSDS and in roost status', async (t) => {
  const mesh = await TestMesh.start(t, [cart({ v1: 1 })]);
  const { grpcAddress } = mesh.controlPlane;
  const { once } = csdsClient(t, grpcAddress);
  const status = async () => (await mesh.client.call<StatusResponse>('Status', {})).clients[0]?.drift;
  const client = XdsClient.delta(t, grpcAddress, { id: 'odd-one', metadata });
  client.subscribe('cluster', '*');
  client.ack(await client.next('cluster'));
  await eventually('nothing drifts', async () => (await status())?.length === 0);

  await mesh.client.call('Apply', { documents: [toStruct(cart({ v1: 1, v2: 1 }))] });
  const response = await client.next('cluster');
  t.same(await status(), [{ type: 'cluster', name: 'shop/cart/v2', state: 'unanswered' }]);
  client.nack(response, 'cluster shop/cart/v2: no such luck');
  await eventually('the refusal is there', async () => (await status())?.[0]?.state === 'rejected');
  t.same(statusLines(await once({})), [
    'cluster shop/cart/v1 SYNCED ACKED',
    'cluster shop/cart/v2 ERROR NACKED',
  ]);
  const [config] = messages((await once({})).config);
  t.match(messages(config?.genericXdsConfigs)[1]?.errorState, {
    details: 'cluster shop/cart/v2: no such luck',
  });
  const { stdout } = await roost(['status', '--control-plane', grpcAddress]);
  t.match(
    stdout,
    /not running what is served:\n {2}odd-one: cluster shop\/cart\/v2: the newest version was rejected\n/,
  );
});

t.test('clients are picked by their id; a stream answers every request', async (t) => {
  const mesh = await TestMesh.start(t, [cart({ v1: 1 })]);
  const { grpcAddress } = mesh.controlPlane;
  for (const id of ['web-1', 'web-2', 'db-1']) {
    const client = XdsClient.delta(t, grpcAddress, { id, metadata });
    client.subscribe('cluster', 'shop/cart/v1');
    client.ack(await client.next('cluster'));
  }
  const { once, open } = csdsClient(t, grpcAddress);
  const ids = (response: Message) =>
    messages(response.config)
      .map(({ node }) => String((node as Message).id))
      .sort()
      .join(' ');
  for (const [matchers, expected] of [
    [[], 'db-1 web-1 web-2'],
    [[{ nodeId: { prefix: 'web' } }], 'web-1 web-2'],
    [[{ nodeId: { exact: 'DB-1', ignoreCase: true } }, { nodeId: { suffix: '2' } }], 'db-1 web-2'],
    [[{ nodeId: { contains: 'eb' } }], 'web-1 web-2'],
    [[{ nodeId: { exact: 'nobody' } }], ''],
  ] as const)
    t.equal(ids(await once({ nodeMatchers: matchers })), expected);
  await t.rejects(once({ nodeMatchers: [{ nodeId: { safeRegex: { regex: '.*' } } }] }), {
    code: 3,
    details: 'node_id must be matched by exact, prefix, suffix or contains',
  });
  const stream = open();
  const answers: string[] = [];
  stream.on('data', (response: Message) => answers.push(ids(response)));
  stream.write({ nodeMatchers: [{ nodeId: { exact: 'web-1' } }] });
  stream.write({ nodeMatchers: [{ nodeId: { exact: 'web-2' } }] });
  await eventually('both are answered', () => answers.length === 2);
  t.same(answers, ['web-1', 'web-2']);
  stream.end();
});

t.test('a control plane that stops ends the streams in good order', async (t) => {
  const mesh = await TestMesh.start(t, [cart({ v1: 1 })]);
  const stream = csdsClient(t, mesh.controlPlane.grpcAddress).open();
  const over = new Promise<number>((resolve) => stream.on('status', ({ code }) => resolve(code)));
  stream.on('error', () => {});
  const answered = new Promise((resolve) => stream.once('data', resolve));
  stream.write({});
  await answered;
  await mesh.controlPlane.stop();
  t.equal(await over, 0);
});

t.test('drift: what a sidecar says that it has accepted and does not run yet', async (t) => {
  const mesh = await TestMesh.start(t, [cart({ v1: 1 })]);
  const { grpcAddress } = mesh.controlPlane;
  const drift = async () => (await mesh.client.call<StatusResponse>('Status', {})).clients[0]?.drift;
  const ads = XdsClient.delta(t, grpcAddress, { id: 'web-1', metadata });
  ads.subscribe('route', 'shop/cart');
  ads.ack(await ads.next('route'));
  await eventually('nothing drifts', async () => (await drift())?.length === 0);

  const client = new Client(grpcAddress, credentials.createInsecure());
  t.teardown(() => client.close());
  const { StreamLoadStats: method } = serviceDefinition(LRS_SERVICE);
  if (method === undefined) throw new Error('no such service');
  const { path, requestSerialize, responseDeserialize } = method;
  const load = client.makeBidiStreamRequest<object, Message>(path, requestSerialize, responseDeserialize);
  load.on('error', () => {});
  load.write({ node: withWaiting({ id: 'web-1', metadata: toStruct(metadata) }, ['shop/cart']) });
  await eventually('it is shown', async () => (await drift())?.length === 1);
  t.same(await drift(), [{ type: 'route', name: 'shop/cart', state: 'waiting' }]);
  load.cancel();
  await eventually('it is over with the connection', async () => (await drift())?.length === 0);
});
