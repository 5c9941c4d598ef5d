import t from 'tap';
import type { ChangedNames } from '../../../../control-plane/snapshot/changed-names.js';
import { Snapshot } from '../../../../control-plane/snapshot/snapshot.js';
import { parseMeshService, serviceKey } from '../../../../src/model/mesh-service.js';
import { meshService } from '../../../support/shop.js';

const context = { pinSecret: Buffer.alloc(32), incarnation: () => '' };

/** A snapshot that is moved by documents and a clock. */
class Harness {
  readonly snapshot = new Snapshot();
  nowMs = 1000;
  private revision = 0;

  apply(...documents: object[]): ChangedNames {
    const changed = new Map(documents.map(parseMeshService).map((service) => [serviceKey(service), service]));
    return this.snapshot.update(++this.revision, changed, context, this.nowMs);
  }

  delete(key: `${string}/${string}`): ChangedNames {
    return this.snapshot.update(++this.revision, new Map([[key, undefined]]), context, this.nowMs);
  }

  names(kind: 'cluster' | 'listener' | 'route' | 'endpoint'): string {
    return this.snapshot
      .list(kind, 'shop')
      .map(({ name }) => name)
      .sort()
      .join(' ');
  }
}

const named = (changed: ChangedNames) =>
  Object.fromEntries(
    Object.entries(changed)
      .map(([kind, names]) => [kind, [...names].sort().join(' ')])
      .filter(([, names]) => names !== ''),
  );

t.test('tells what differs, and nothing where nothing does', async (t) => {
  const mesh = new Harness();
  t.match(named(mesh.apply(meshService('cart.shop'))), {
    cluster: 'shop/cart/v1',
    endpoint: 'shop/cart/v1',
    listener: 'cart.shop',
    route: 'shop/cart',
    alias: /^cart cart.shop.svc /,
  });
  t.same(named(mesh.apply(meshService('cart.shop'))), {});
  t.same(named(mesh.apply(meshService('cart.shop', { v1: 1 }, { loadBalancer: 'maglev' }))), {
    cluster: 'shop/cart/v1',
  });
  t.same(
    named(mesh.apply(meshService('cart.shop', { v1: 1 }, { loadBalancer: 'maglev', hosts: ['x.test'] }))),
    {
      route: 'shop/cart',
      alias: 'outbound x.test x.test:8080',
    },
  );
});

t.test(
  'a dropped cluster lingers with its endpoints, is not told of, and is forgotten in time',
  async (t) => {
    const mesh = new Harness();
    mesh.apply(meshService('cart.shop', { v1: 1, v2: 1 }));
    t.equal(mesh.snapshot.lingeringSinceMs, undefined);
    t.same(named(mesh.apply(meshService('cart.shop'))), { route: 'shop/cart', alias: 'outbound' });
    t.equal(mesh.snapshot.lingeringSinceMs, 1000);
    t.equal(mesh.names('cluster'), 'shop/cart/v1 shop/cart/v2');
    t.ok(mesh.snapshot.get('endpoint', 'shop/cart/v2', 'shop'));
    const { sequence } = mesh.snapshot;
    t.same(named(mesh.snapshot.forget(999)), {});
    t.equal(mesh.snapshot.sequence, sequence, 'nothing forgotten, nothing to push');
    t.same(named(mesh.snapshot.forget(1000)), { cluster: 'shop/cart/v2', endpoint: 'shop/cart/v2' });
    t.equal(mesh.names('cluster'), 'shop/cart/v1');
    t.notOk(mesh.snapshot.get('endpoint', 'shop/cart/v2', 'shop'));
    t.equal(mesh.snapshot.lingeringSinceMs, undefined);
  },
);

t.test('what comes back while it lingers is there, and stays when its time would have been up', async (t) => {
  const mesh = new Harness();
  mesh.apply(meshService('cart.shop', { v1: 1, v2: 1 }));
  mesh.apply(meshService('cart.shop'));
  mesh.nowMs = 5000;
  t.match(named(mesh.apply(meshService('cart.shop', { v1: 1, v2: 1 }))), { cluster: 'shop/cart/v2' });
  t.same(named(mesh.snapshot.forget(9000)), {});
  t.equal(mesh.names('cluster'), 'shop/cart/v1 shop/cart/v2');
  mesh.nowMs = 6000;
  mesh.apply(meshService('cart.shop'));
  t.same(named(mesh.snapshot.forget(5999)), {}, 'dropped anew, it lingers anew');
  t.ok(mesh.snapshot.get('cluster', 'shop/cart/v2', 'shop'));
});

t.test('a whole service that goes leaves its clusters for a while', async (t) => {
  const mesh = new Harness();
  mesh.apply(meshService('cart.shop'));
  t.match(named(mesh.delete('shop/cart')), { listener: 'cart.shop', route: 'shop/cart' });
  t.equal(mesh.names('listener'), '');
  t.equal(mesh.names('cluster'), 'shop/cart/v1');
  mesh.snapshot.forget(1000);
  t.equal(mesh.names('cluster'), '');
});

t.test(
  'a release that turns from endpoints to DNS keeps its cluster and loses its endpoints later',
  async (t) => {
    const mesh = new Harness();
    mesh.apply(meshService('cart.shop'));
    const dns = meshService('cart.shop', { v1: 1 }, { versions: [{ name: 'v1', dns: 'cart:80' }] });
    t.same(named(mesh.apply(dns)), { cluster: 'shop/cart/v1' });
    t.same(named(mesh.snapshot.forget(1000)), { endpoint: 'shop/cart/v1' });
    t.ok(mesh.snapshot.get('cluster', 'shop/cart/v1', 'shop'));
  },
);

t.test('a host that moves from one service to another is never without a listener', async (t) => {
  const cart = (...hosts: string[]) => meshService('cart.shop', { v1: 1 }, { hosts });
  const pay = (...hosts: string[]) => meshService('pay.shop', { v1: 1 }, { hosts });
  for (const both of [
    [cart(), pay('x.test')],
    [pay('x.test'), cart()],
  ]) {
    const mesh = new Harness();
    mesh.apply(cart('x.test'), pay());
    const before = mesh.snapshot.get('listener', 'x.test', 'shop');
    t.ok(mesh.apply(...both).alias.has('x.test'));
    const after = mesh.snapshot.get('listener', 'x.test', 'shop');
    t.ok(after);
    t.not(after?.version, before?.version, "it leads to the new service's routes");
  }
});

t.test('a bare name is seen in its namespace only, ports must be right', async (t) => {
  const snapshot = new Snapshot();
  snapshot.update(1, new Map([['shop/cart', parseMeshService(meshService('cart.shop'))]]), context, 0);
  for (const [name, namespace, found] of [
    ['cart', 'shop', true],
    ['cart:8080', 'shop', true],
    ['cart:80', 'shop', false],
    ['cart', 'other', false],
    ['cart.shop', 'other', true],
    ['cart.shop.svc.cluster.local:8080', 'other', true],
    ['cart.other', 'other', false],
    ['', 'shop', false],
    [':8080', 'shop', false],
  ] as const) {
    t.equal(snapshot.get('listener', name, namespace) !== undefined, found, `${name} in ${namespace}`);
  }
});

t.test('the version of a kind is the version of its content', async (t) => {
  const [one, two] = [new Harness(), new Harness()];
  one.apply(meshService('cart.shop'), meshService('pay.shop'));
  two.apply(meshService('pay.shop'));
  t.not(one.snapshot.typeVersion('route', 'shop'), two.snapshot.typeVersion('route', 'shop'));
  two.apply(meshService('cart.shop'));
  for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const)
    t.equal(one.snapshot.typeVersion(kind, 'shop'), two.snapshot.typeVersion(kind, 'shop'), kind);
  t.not(one.snapshot.typeVersion('route', 'shop'), one.snapshot.typeVersion('route', 'other'));
  t.equal(one.snapshot.typeVersion('cluster', 'shop'), one.snapshot.typeVersion('cluster', 'other'));
});

t.test('what is applied again keeps its place among the routes of all', async (t) => {
  const mesh = new Harness();
  mesh.apply(meshService('cart.shop'));
  mesh.apply(meshService('pay.shop'));
  const version = () => mesh.snapshot.get('route', 'outbound', 'shop')?.version;
  const before = version();
  t.same(named(mesh.apply(meshService('cart.shop'))), {});
  t.equal(version(), before);
  t.same(named(mesh.apply(meshService('cart.shop', { v1: 1 }, { loadBalancer: 'maglev' }))), {
    cluster: 'shop/cart/v1',
  });
  t.equal(version(), before);
});
