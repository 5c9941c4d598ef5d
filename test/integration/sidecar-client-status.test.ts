import { createServer } from 'node:net';
import t from 'tap';
import { type Message, packAny } from '../../src/xds/descriptors.js';
import { messages } from '../../src/xds/fields.js';
import { HTTP_CONNECTION_MANAGER_TYPE } from '../../src/xds/listener.js';
import { entry, ScriptedAdsServer } from '../support/ads-server.js';
import { csdsClient, statusLines } from '../support/csds.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { meshService } from '../support/shop.js';
import { managerWith } from '../support/xds/carriers.js';

/** A sidecar tells by gRPC what it has asked for, has accepted and has refused (CSDS), as it does by HTTP. */

const FREE = { host: '127.0.0.1', port: 0 };

t.test('what it has accepted, in which version; by HTTP the same', async (t) => {
  const mesh = await TestMesh.start(t, [meshService('cart.shop')]);
  const { addresses } = await mesh.sidecar({ csds: FREE });
  const { once } = csdsClient(t, addresses.csds as string);
  t.same(statusLines(await once({})).sort(), [
    'cluster shop/cart/v1 ACKED',
    'endpoint shop/cart/v1 ACKED',
    'listener cart.shop ACKED',
    'route shop/cart ACKED',
  ]);
  const [config] = messages((await once({})).config);
  const { config: byHttp } = (await (await fetch(`http://${addresses.admin}/client_status`)).json()) as {
    config: [{ node: { id: string }; genericXdsConfigs: { name: string; versionInfo: string }[] }];
  };
  const versions = (all: readonly { name?: unknown; versionInfo?: unknown }[]) =>
    all.map(({ name, versionInfo }) => `${name} ${versionInfo}`);
  t.same(versions(messages(config?.genericXdsConfigs)), versions(byHttp[0].genericXdsConfigs));
  t.match(config?.node, { id: byHttp[0].node.id, userAgentName: 'roost' });
  const [first] = messages(config?.genericXdsConfigs) as [{ lastUpdated: { seconds: number } }];
  t.ok(Math.abs(first.lastUpdated.seconds - Date.now() / 1000) < 600);
});

t.test('what it has refused and why, what it waits for, and what there is not', async (t) => {
  const server = await ScriptedAdsServer.start(t);
  const mesh = await TestMesh.start(t);
  const { addresses } = await mesh.startSidecar({ controlPlanes: [server.address], csds: FREE });
  await server.next('listener');
  const good = entry('a', '1', { kind: 'listener', message: listener('a', 'here') });
  const bad = entry('b', '7', { kind: 'listener', message: { ...listener('b', 'r'), internalListener: {} } });
  const other = entry('c', '1', { kind: 'listener', message: listener('c', 'nowhere') });
  server.say('listener', 'n1', [good, bad, other]);
  await server.answer('listener', 'n1');
  server.say('route', 'n2', [], ['nowhere']);
  await server.answer('route', 'n2');
  const { once } = csdsClient(t, addresses.csds as string);
  const response = await once({});
  t.same(statusLines(response), [
    'listener a ACKED',
    'listener b NACKED',
    'listener c ACKED',
    'route here REQUESTED',
    'route nowhere DOES_NOT_EXIST',
  ]);
  const refused = messages(messages(response.config)[0]?.genericXdsConfigs)[1];
  t.match(refused?.errorState, { details: 'internal_listener: is not supported', versionInfo: '7' });
});

/** A listener in gRPC's form. */
function listener(name: string, routeConfigName: string): object {
  const manager = managerWith({ rds: { routeConfigName, configSource: { ads: {} } } });
  return { name, apiListener: { apiListener: packAny(HTTP_CONNECTION_MANAGER_TYPE, manager) } };
}

t.test('a stream answers every request; matchers of ids pick it or leave it', async (t) => {
  const mesh = await TestMesh.start(t, [meshService('cart.shop')]);
  const node = { id: 'pod-7', cluster: '', locality: undefined, metadata: {} };
  const { addresses } = await mesh.sidecar({ csds: FREE, node });
  const { once, open } = csdsClient(t, addresses.csds as string);
  const count = (response: Message) => messages(response.config).length;
  t.equal(count(await once({ nodeMatchers: [{ nodeId: { prefix: 'pod' } }] })), 1);
  t.equal(count(await once({ nodeMatchers: [{ nodeId: { exact: 'pod-8' } }] })), 0);
  await t.rejects(once({ nodeMatchers: [{ nodeMetadatas: [{}] }] }), { code: 3 });
  const stream = open();
  const answers: number[] = [];
  stream.on('data', (response: Message) => answers.push(count(response)));
  stream.on('error', () => {});
  stream.write({});
  stream.write({ nodeMatchers: [{ nodeId: { exact: 'pod-8' } }] });
  await eventually('both are answered', () => answers.length === 2);
  t.same(answers, [1, 0]);
  stream.cancel();
});

t.test('a port that is taken is said, and nothing is left behind', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const mesh = await TestMesh.start(t);
  await t.rejects(mesh.startSidecar({ csds: { host: '127.0.0.1', port } }), {
    message: new RegExp(`cannot listen for client status \\(--csds\\) on 127.0.0.1:${port}`),
  });
});
