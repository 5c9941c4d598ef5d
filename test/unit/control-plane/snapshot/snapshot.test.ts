import t from 'tap';
import { LiveEndpoints } from '../../../../control-plane/endpoints/live-endpoints.js';
import { type ChangedNames, noChanges } from '../../../../control-plane/snapshot/changed-names.js';
import { Snapshot } from '../../../../control-plane/snapshot/snapshot.js';
import type { TranslateContext } from '../../../../control-plane/translate/policy.js';
import { type Grant, NO_GRANT } from '../../../../src/model/grant.js';
import { type MeshService, parseMeshService, serviceKey } from '../../../../src/model/mesh-service.js';
import { decodeAssignment } from '../../../../src/xds/endpoint.js';
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

/** `cart.shop`, whose releases have live endpoints. */
function liveCart(...releases: string[]): MeshService {
  const service = parseMeshService(meshService('cart.shop', { v1: 1 }));
  const versions = releases.map((name) => ({ name, selector: { version: name } }));
  return { ...service, spec: { ...service.spec, versions } };
}

/** A snapshot of `cart.shop` and what a source says of its endpoints. */
class LiveHarness {
  readonly snapshot = new Snapshot();
  readonly live = new LiveEndpoints();
  changed: ChangedNames = noChanges();
  private readonly context: TranslateContext;

  constructor(grant?: Grant) {
    this.context = {
      pinSecret: Buffer.alloc(32),
      incarnation: () => '',
      endpointsOf: (_service, release) => this.live.of('shop/cart', release),
      ...(grant ? { grantOf: () => grant } : {}),
    };
    this.live.onChange((changed) => {
      this.changed = this.snapshot.updateEndpoints(changed, this.context);
    });
  }

  apply(revision: number, service: MeshService): void {
    const other = parseMeshService(meshService('pay.shop'));
    this.snapshot.update(
      revision,
      new Map([
        ['shop/cart', service],
        ['shop/pay', other],
      ]),
      this.context,
      1000,
    );
  }

  see(release: string, ...hosts: number[]): void {
    const endpoints = hosts.map((host) => ({ address: `10.0.0.${host}`, port: 80 }));
    this.live.update([{ service: 'shop/cart', release, endpoints }]);
  }

  addresses(release: string): string | undefined {
    const found = this.snapshot.get('endpoint', `shop/cart/${release}`, 'shop');
    return (
      found &&
      decodeAssignment(found.content)
        .endpoints.map(({ address }) => address)
        .join(' ')
    );
  }
}

t.test('live endpoints move the snapshot, and neither its revision nor other resources', async (t) => {
  const mesh = new LiveHarness();
  mesh.apply(1, liveCart('v1', 'v2'));
  t.equal(mesh.addresses('v1'), '', 'a release whose endpoints are not known yet has none');
  const { snapshot } = mesh;
  const [routes, clusters] = [snapshot.list('route', 'shop'), snapshot.list('cluster', 'shop')];
  const [{ sequence }, version] = [snapshot, snapshot.typeVersion('endpoint', 'shop')];
  mesh.see('v1', 1, 2);
  t.same(named(mesh.changed), { endpoint: 'shop/cart/v1' });
  t.equal(mesh.addresses('v1'), '10.0.0.1:80 10.0.0.2:80');
  t.equal(snapshot.revision, 1);
  t.equal(snapshot.sequence, sequence + 1);
  t.not(snapshot.typeVersion('endpoint', 'shop'), version);
  t.equal(
    snapshot.list('endpoint', 'shop').find(({ name }) => name === 'shop/cart/v1')?.version,
    snapshot.get('endpoint', 'shop/cart/v1', 'shop')?.version,
    'the list has it, too',
  );
  t.equal(snapshot.list('route', 'shop'), routes, 'lists of other kinds are not made again');
  t.equal(snapshot.list('cluster', 'shop'), clusters);
  mesh.live.update([{ service: 'shop/pay', release: 'v1', endpoints: [{ address: '10.9.9.9', port: 80 }] }]);
  t.same(named(mesh.changed), {}, 'a release that lists its endpoints keeps them');
  mesh.live.update([{ service: 'shop/none', release: 'v1', endpoints: [] }]);
  t.same(named(mesh.changed), {}, 'and a service that is not served is passed over');
  t.equal(snapshot.sequence, sequence + 1);
});

t.test('an edit of the service keeps its live endpoints; a dropped release lingers with them', async (t) => {
  const mesh = new LiveHarness();
  mesh.see('v1', 1);
  mesh.apply(1, liveCart('v1', 'v2'));
  t.equal(mesh.addresses('v1'), '10.0.0.1:80', 'endpoints may come before the document');
  mesh.see('v2', 2);
  mesh.apply(2, liveCart('v1'));
  t.equal(mesh.addresses('v1'), '10.0.0.1:80');
  t.equal(mesh.addresses('v2'), '10.0.0.2:80', 'it lingers as it was served last');
  mesh.snapshot.forget(1000);
  t.equal(mesh.addresses('v2'), undefined);
  t.equal(mesh.addresses('v1'), '10.0.0.1:80');
});

t.test('where claims need a grant, live endpoints never lead to the caller itself', async (t) => {
  const mesh = new LiveHarness(NO_GRANT);
  const endpoints = ['127.0.0.1', '169.254.169.254', '10.0.0.1'].map((address) => ({ address, port: 80 }));
  mesh.live.update([{ service: 'shop/cart', release: 'v1', endpoints }]);
  mesh.apply(1, liveCart('v1'));
  t.equal(mesh.addresses('v1'), '10.0.0.1:80');
});

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
