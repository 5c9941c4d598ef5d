import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { LiveEndpoints } from '../../control-plane/endpoints/live-endpoints.js';
import { KubernetesSource } from '../../control-plane/source/kubernetes/kubernetes-source.js';
import { MemoryBackend } from '../../control-plane/store/backend.js';
import { emptyState } from '../../control-plane/store/config-state.js';
import { ConfigStore } from '../../control-plane/store/config-store.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { KubeApiServer } from '../support/kube-api-server.js';
import {
  kubeMeshService,
  kubePod,
  kubeService,
  kubeSlice,
  MESH_SERVICES,
  PODS,
  SERVICES,
  SLICES,
} from '../support/kube-objects.js';

const log = createLogger('test', 'silent');

async function start(
  t: Test,
  fill: (api: KubeApiServer) => void = () => {},
  namespaces: readonly string[] = [],
) {
  const api = await KubeApiServer.start(t);
  fill(api);
  const store = await ConfigStore.open(new MemoryBackend(emptyState(Buffer.alloc(32))), log);
  const endpoints = new LiveEndpoints();
  const options = { api: await api.client(t), store, endpoints, log, namespaces, serviceSelector: '' };
  const source = new KubernetesSource(options);
  t.teardown(async () => {
    await source.close();
    await store.close();
  });
  await source.start();
  source.watch();
  const addresses = (key: ServiceKey, release: string) =>
    endpoints.of(key, release).map(({ address, status }) => `${address} ${status}`);
  return { api, store, source, addresses };
}

async function eventually(t: Test, what: string, isSo: () => boolean) {
  for (let i = 0; i < 500 && !isSo(); i++) await sleep(20);
  t.ok(isSo(), what);
}

const SHOP = (api: KubeApiServer) => {
  for (const [i, name] of ['stock', 'cart', 'mail'].entries()) {
    api.put(SERVICES, kubeService(`shop/${name}`, { clusterIP: `10.96.0.${i}` }));
    api.put(SLICES, kubeSlice(`shop/${name}`, [{ ip: '10.0.0.1', pod: `${name}-a` }]));
    api.put(PODS, kubePod(`shop/${name}-a`, { version: 'v1' }));
  }
};
const RELEASES = [
  { name: 'v1', selector: { version: 'v1' } },
  { name: 'v2', selector: { version: 'v2' } },
];

t.test('a Service without a MeshService is meshed as it is', async (t) => {
  const { api, store, source, addresses } = await start(t, SHOP);
  t.strictSame([...store.current.services.keys()].sort(), ['shop/cart', 'shop/mail', 'shop/stock']);
  t.strictSame(addresses('shop/cart', 'all'), ['10.0.0.1:80 healthy']);
  t.strictSame([...source.problems, ...source.waiting], []);
  t.strictSame(store.current.services.get('shop/cart')?.service.spec.hosts, ['10.96.0.1']);
  const { revision } = store.current;
  t.equal(revision, 1, 'one revision for all of them');
  api.put(SLICES, kubeSlice('shop/cart', [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }]));
  await eventually(t, 'endpoints follow', () => addresses('shop/cart', 'all').length === 2);
  t.equal(store.current.revision, revision, 'endpoints make no revision');
  api.drop(SERVICES, 'shop/cart');
  await eventually(t, 'a Service that is gone goes', () => !store.current.services.has('shop/cart'));
  t.strictSame(addresses('shop/cart', 'all'), []);
});

t.test(
  'a MeshService takes the place of its Service, and its releases follow the labels of pods',
  async (t) => {
    const { api, store, source, addresses } = await start(t, SHOP);
    api.put(MESH_SERVICES, kubeMeshService('shop/cart', { port: 8080, versions: RELEASES }));
    await eventually(t, 'pods by release', () => addresses('shop/cart', 'v1').length === 1);
    t.strictSame(
      store.current.services.get('shop/cart')?.service.spec.hosts,
      ['10.96.0.1'],
      'its address leads there',
    );
    t.match(source.waiting, [
      /spec\.versions\[1\]\.selector: no pod of Service shop\/cart has the labels version=v2/,
    ]);
    api.put(PODS, kubePod('shop/cart-a', { version: 'v2' }));
    await eventually(t, 'a label moves a pod', () => addresses('shop/cart', 'v2').length === 1);
    t.strictSame(addresses('shop/cart', 'v1'), []);
    await t.rejects(
      store.remove('shop/cart', undefined),
      /is declared in kubernetes:meshservice\/shop\/cart/,
    );
    api.drop(MESH_SERVICES, 'shop/cart');
    await eventually(t, 'the Service takes over again', () => addresses('shop/cart', 'all').length === 1);
    t.strictSame(addresses('shop/cart', 'v2'), []);
  },
);

t.test('what the API applies takes the place of a Service, and gives it back', async (t) => {
  const { store, addresses } = await start(t, SHOP);
  const document = kubeMeshService('shop/cart', { port: 8080, versions: RELEASES }) as MeshServiceInput;
  await store.edit({ documents: [document], heedsFiles: true });
  await eventually(t, 'its releases are found', () => addresses('shop/cart', 'v1').length === 1);
  t.equal(store.current.services.get('shop/cart')?.record.source, undefined);
  await store.remove('shop/cart', undefined);
  await eventually(t, 'the Service is back', () => addresses('shop/cart', 'all').length === 1);
});

t.test(
  'a MeshService that is not valid is told with its field, and keeps nothing else from working',
  async (t) => {
    const { api, store, source } = await start(t, SHOP);
    api.put(MESH_SERVICES, kubeMeshService('shop/cart', { port: 0, versions: RELEASES }));
    api.put(MESH_SERVICES, kubeMeshService('shop/stock', { port: 8080, versions: RELEASES }));
    await eventually(t, 'it is told', () => source.problems.length > 0);
    t.match(source.problems, [/^kubernetes:meshservice\/shop\/cart: spec\.port: /]);
    await eventually(
      t,
      'the other is in force',
      () => store.current.services.get('shop/stock')?.service.spec.versions.length === 2,
    );
    api.put(MESH_SERVICES, kubeMeshService('shop/cart', { port: 8080, versions: RELEASES }));
    await eventually(t, 'once it is right, it is in force', () => source.problems.length === 0);
  },
);

t.test('a watch that breaks goes on where it was', async (t) => {
  const { api, addresses } = await start(t, SHOP);
  await eventually(t, 'it watches', () => api.calls.some((call) => call.startsWith(`${SLICES} watch`)));
  api.calls.length = 0;
  api.disconnect();
  api.put(SLICES, kubeSlice('shop/cart', [{ ip: '10.0.0.9' }]));
  await eventually(t, 'nothing is missed', () => addresses('shop/cart', 'all')[0] === '10.0.0.9:80 healthy');
  t.notOk(
    api.calls.some((call) => call.endsWith('list')),
    'and nothing is listed again',
  );
});

t.test('after 410 Gone, everything is listed again and what went meanwhile is gone', async (t) => {
  const { api, store, addresses } = await start(t, SHOP);
  await eventually(t, 'it watches', () => api.calls.filter((call) => call.includes('watch')).length >= 4);
  api.oldestVersion = Number.POSITIVE_INFINITY;
  api.disconnect();
  api.drop(SERVICES, 'shop/mail');
  api.put(SLICES, kubeSlice('shop/cart', [{ ip: '10.0.0.9' }]));
  await eventually(
    t,
    'what is new is seen',
    () => addresses('shop/cart', 'all')[0] === '10.0.0.9:80 healthy',
  );
  await eventually(t, 'what is gone goes', () => !store.current.services.has('shop/mail'));
  t.strictSame([...store.current.services.keys()].sort(), ['shop/cart', 'shop/stock']);
});

t.test('a permission that is missing is told, and everything else works', async (t) => {
  const { api, source, addresses } = await start(t, (api) => {
    SHOP(api);
    api.refusals.set(PODS, 403);
  });
  t.strictSame(addresses('shop/cart', 'all'), ['10.0.0.1:80 healthy']);
  t.match(source.problems, [/may not list and watch pods .*apply the ClusterRole/]);
  api.refusals.clear();
  await eventually(t, 'once it is granted, it works', () => source.problems.length === 0);
});

t.test('nothing is taken for gone that could not be listed', async (t) => {
  const { api, store } = await start(t, SHOP);
  api.refusals.set(`${SERVICES} list`, 500);
  api.oldestVersion = Number.POSITIVE_INFINITY;
  api.disconnect();
  await eventually(t, 'it fails', () => api.calls.filter((call) => call === `${SERVICES} list`).length > 2);
  t.equal(store.current.services.size, 3);
});

t.test('only the namespaces that are asked for are followed', async (t) => {
  const { api, store } = await start(
    t,
    (api) => {
      api.put('/api/v1/namespaces/shop/services', kubeService('shop/cart'));
      api.put(SERVICES, kubeService('bank/account'));
    },
    ['shop'],
  );
  t.strictSame([...store.current.services.keys()], ['shop/cart']);
  t.notOk(api.calls.some((call) => call.startsWith(SERVICES)));
});
