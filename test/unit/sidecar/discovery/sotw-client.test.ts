import t, { type Test } from 'tap';
import { ControlPlanes } from '../../../../sidecar/discovery/control-planes.js';
import type { ReceivedResource, RefusedResource } from '../../../../sidecar/discovery/response-entries.js';
import { SotwClient } from '../../../../sidecar/discovery/sotw-client.js';
import { INSECURE } from '../../../../src/access/channel-security.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import type { ResourceKind } from '../../../../src/xds/resource-types.js';
import { garbage, ScriptedAdsServer, wrapped } from '../../../support/ads-server.js';
import { wanting } from '../../../support/wanted.js';

interface Taken {
  readonly kind: ResourceKind;
  readonly names: readonly string[];
  readonly removed: readonly string[];
}

/** A client that wants everything of listeners, and takes what it gets but for resources named `bad`. */
async function start(t: Test) {
  const server = await ScriptedAdsServer.start(t);
  const taken: Taken[] = [];
  const hook: { onTaken(kind: ResourceKind): void } = { onTaken() {} };
  const client = new SotwClient({
    controlPlanes: new ControlPlanes([{ address: server.address, security: INSECURE }]),
    node: { id: 'sidecar-1' },
    ignoresDeletion: false,
    nowMs: () => 0,
    log: createLogger('test', 'silent'),
    consumer: {
      onResources(kind, resources: readonly ReceivedResource[], removed): RefusedResource[] {
        taken.push({ kind, names: resources.map(({ name }) => name), removed });
        hook.onTaken(kind);
        return resources.flatMap(({ name }) => (/^$|bad/.test(name) ? [{ name, reason: 'is bad' }] : []));
      },
      onConnected() {},
    },
  });
  t.teardown(() => client.close());
  const want = wanting(client);
  want('listener', '*');
  client.start();
  return { server, client, taken, want, hook, first: await server.next('listener') };
}

const named = (...names: string[]) => names.map((name) => ({ name }));

t.test('asks for everything with an empty list, says who it is once, and acknowledges', async (t) => {
  const { server, want, first } = await start(t);
  t.match(first, {
    node: { id: 'sidecar-1' },
    resourceNames: [],
    versionInfo: '',
    responseNonce: '',
  });
  server.send('listener', 'v1', 'n1', named('a', 'b'));
  const ack = await server.next('listener');
  t.match(ack, { resourceNames: [], versionInfo: 'v1', responseNonce: 'n1' });
  t.notOk(ack.node);
  t.notOk(ack.errorDetail);
  want('route', 'r1');
  t.match(await server.next('route'), { resourceNames: ['r1'], versionInfo: '', responseNonce: '' });
});

t.test('what a complete response leaves out is gone; what a partial one leaves out is not', async (t) => {
  const { server, taken, want } = await start(t);
  want('cluster', 'c1', 'c2', 'c3');
  want('endpoint', 'c1', 'c2');
  await server.next('endpoint');
  server.send('listener', '1', '1', named('a', 'b'));
  server.send('listener', '2', '2', named('b'));
  server.send('cluster', '1', '3', named('c1', 'c2', 'c3'));
  server.send('endpoint', '1', '4', [{ clusterName: 'c1' }, { clusterName: 'c2' }]);
  server.send('endpoint', '2', '5', [{ clusterName: 'c2' }]);
  await server.next('endpoint');
  await server.next('endpoint');
  want('cluster', 'c1', 'c2');
  await server.next('cluster');
  server.send('cluster', '2', '6', named('c1'));
  await server.next('cluster');
  t.match(taken, [
    { names: ['a', 'b'], removed: [] },
    { names: ['b'], removed: ['a'] },
    { names: ['c1', 'c2', 'c3'], removed: [] },
    { names: ['c1', 'c2'], removed: [] },
    { names: ['c2'], removed: [] },
    { names: ['c1'], removed: ['c2'] },
  ]);
});

t.test(
  'a NACK names everything, keeps the last good version, and the next good one is accepted',
  async (t) => {
    const { server, client } = await start(t);
    server.send('listener', 'v1', 'n1', named('a'));
    t.match(await server.next('listener'), { versionInfo: 'v1' });
    server.send('listener', 'v2', 'n2', [...named('a', 'bad-1', 'bad-2'), garbage('listener')]);
    const nack = await server.next('listener');
    t.match(nack, { versionInfo: 'v1', responseNonce: 'n2', errorDetail: { code: 3 } });
    const { message } = nack.errorDetail as { message: string };
    t.same(message.split('\n'), ['listener bad-1: is bad', 'listener bad-2: is bad', 'listener : is bad']);
    t.match(client.status.list(), [
      { name: 'a', versionInfo: 'v2', clientStatus: 'ACKED' },
      { name: 'bad-1', clientStatus: 'NACKED', errorState: { details: 'is bad', versionInfo: 'v2' } },
      { name: 'bad-2', clientStatus: 'NACKED' },
      { name: '', clientStatus: 'NACKED' },
    ]);
    server.send('listener', 'v3', 'n3', named('a'));
    t.match(await server.next('listener'), { versionInfo: 'v3', responseNonce: 'n3' });
  },
);

t.test('a name twice in a response is refused', async (t) => {
  const { server } = await start(t);
  server.send('listener', 'v1', 'n1', named('a', 'a'));
  t.match(await server.next('listener'), {
    versionInfo: '',
    errorDetail: { message: 'listener a: is in the response twice' },
  });
});

t.test('resources with a time to live are unwrapped; a heartbeat changes nothing', async (t) => {
  const { server, taken } = await start(t);
  server.send('listener', 'v1', 'n1', [wrapped('a', '1', { kind: 'listener', message: { name: 'a' } })]);
  await server.next('listener');
  server.send('listener', 'v1', 'n2', [wrapped('a', '1')]);
  t.match(await server.next('listener'), { versionInfo: 'v1', responseNonce: 'n2' });
  t.match(taken, [
    { names: ['a'], removed: [] },
    { names: [], removed: [] },
  ]);
});

t.test('names that follow from a response go out with the answer to it, not before', async (t) => {
  const { server, want, hook } = await start(t);
  want('cluster', 'c1', 'old');
  await server.next('cluster');
  hook.onTaken = (kind) => {
    if (kind === 'cluster') want('cluster', 'c1');
  };
  server.send('cluster', '1', 'n1', named('c1', 'old'));
  t.match(await server.next('cluster'), { resourceNames: ['c1'], versionInfo: '1', responseNonce: 'n1' });
  want('cluster');
  t.match(await server.next('cluster'), { resourceNames: [], responseNonce: 'n1' }, 'nothing at all');
});

t.test('after a reconnection: all names, the versions that it has, no nonce of the old stream', async (t) => {
  const { server, want, taken } = await start(t);
  want('cluster', 'c1');
  await server.next('cluster');
  server.send('cluster', 'v7', 'n1', named('c1'));
  await server.next('cluster');
  server.end();
  const again = await server.next('cluster');
  t.equal(server.streams, 2);
  t.match(again, { resourceNames: ['c1'], versionInfo: 'v7', responseNonce: '' });
  t.match(server.requests[0], { node: { id: 'sidecar-1' } });
  server.send('cluster', 'v8', 'n1', []);
  await server.next('cluster');
  t.match(taken.at(-1), { kind: 'cluster', names: [], removed: ['c1'] }, 'what is gone meanwhile is noticed');
});
