import t from 'tap';
import { translateService } from '../../../../control-plane/translate/service.js';
import type { ClusterRegistry } from '../../../../sidecar/cluster/cluster-registry.js';
import { ListenerDemand } from '../../../../sidecar/discovery/listener-demand.js';
import { MeshConfiguration } from '../../../../sidecar/discovery/mesh-configuration.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { EndpointSet, USABLE } from '../../../../src/routing/endpoint-set.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import { meshService } from '../../../support/shop.js';

/** Clusters that are there when a test says so, and have no endpoints. */
function start() {
  const resolved = new Set<string>();
  const loadBalancer = { kind: 'round-robin', ringSize: 'proportional', tableSize: 65_537 } as never;
  const clusters = {
    onResolved: () => {},
    isResolved: (name: string) => resolved.has(name),
    get: (name: string) => ({
      name,
      endpoints: EndpointSet.of([], loadBalancer, () => USABLE),
      unusableSinceMs: undefined,
    }),
    keep: () => {},
    letGo: () => {},
    sweep: () => [],
    takeAssignmentChanges: () => ({ added: [], dropped: [] }),
  };
  let nowMs = 0;
  const rest = { subscribe: () => {}, nowMs: () => nowMs, log: createLogger('test', 'silent') };
  const demand = new ListenerDemand({ dependencies: undefined, own: '', onDemand: undefined, ...rest });
  const configuration = new MeshConfiguration({
    clusters: clusters as unknown as ClusterRegistry,
    demand,
    ...rest,
  });
  const take = (document: object) => {
    const context = { pinSecret: Buffer.alloc(32), incarnation: () => '' };
    const { shared, localRoutes } = translateService(parseMeshService(document), context);
    const [listener] = shared.filter(({ kind }) => kind === 'listener');
    for (const { kind, name, bytes } of [listener as typeof localRoutes, localRoutes])
      t.same(configuration.onResources(kind, [{ name, version: '1', bytes }], []), []);
  };
  const pass = (ms: number) => {
    nowMs += ms;
    configuration.checkDeadlines(nowMs);
  };
  const arrive = (name: string) => {
    resolved.add(name);
    clusters.onResolved();
  };
  return { configuration, take, arrive, pass };
}

t.test(
  'routes wait for the clusters that they name, say so, and the ones before stay meanwhile',
  async (t) => {
    const { configuration, take, arrive } = start();
    take(meshService('cart.shop', { v1: 1 }));
    t.same(configuration.waiting, ['shop/cart']);
    t.equal(configuration.table, undefined);
    arrive('shop/cart/v1');
    t.same(configuration.waiting, []);
    const before = configuration.table;
    t.ok(before?.find('cart.shop'));

    take(meshService('cart.shop', { v1: 1, v2: 1 }));
    t.same(configuration.waiting, ['shop/cart']);
    t.equal(configuration.table, before);
    arrive('shop/cart/v2');
    t.same(configuration.waiting, []);
    t.equal(configuration.table?.find('cart.shop')?.routes[0]?.split.releases.length, 2);
  },
);

t.test('a cluster that the server says nothing about is not waited for beyond 15 s', async (t) => {
  const { configuration, take, pass } = start();
  take(meshService('cart.shop', { v1: 1 }));
  pass(14_999);
  t.same(configuration.waiting, ['shop/cart']);
  pass(1);
  t.same(configuration.waiting, []);
  t.ok(configuration.table?.find('cart.shop'));
});
