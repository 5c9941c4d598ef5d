import fc from 'fast-check';
import t from 'tap';
import type { ServiceKey } from '../../../../src/model/mesh-service.js';
import {
  kindOfTypeUrl,
  PUSH_ORDER,
  type ResourceKind,
  TYPE_URL,
} from '../../../../src/xds/resource-types.js';
import {
  holdsWhatIsDue,
  PlayedClient,
  type PlayedResponse,
  PlayedServer,
  RESPONSE,
  sorted,
} from '../../../support/ads-play.js';
import { meshService } from '../../../support/shop.js';

t.test('clients that ask the same are sent the same bytes, the nonce included', async (t) => {
  const server = new PlayedServer();
  server.apply(meshService('cart.shop'), meshService('pay.shop'));
  const [one, other] = [new PlayedClient(server), new PlayedClient(server)];
  for (const client of [one, other]) {
    client.ask('route', ['shop/cart', 'shop/pay']);
    client.takeAll();
    client.ask('cluster', ['*']);
    client.takeAll();
  }
  server.apply(meshService('cart.shop', { v1: 1 }, { loadBalancer: 'maglev', hosts: ['cart.test'] }));
  for (const client of [one, other]) client.stream.push();
  for (const client of [one, other]) client.takeAll();
  t.equal(one.handed.length, 4);
  one.handed.forEach((bytes, i) => {
    t.equal(bytes, other.handed[i], `response ${i} is one object`);
  });
});

t.test('an Envoy gets routes to a new cluster after its endpoints, or after a while', async (t) => {
  const v1 = { name: 'v1', endpoints: [{ address: '192.0.2.1:80' }] };
  const v2 = { name: 'v2', endpoints: [{ address: '192.0.2.2:80' }] };
  /** A client that has v1, is told of a split between v1 and v2, and takes that. @returns types of what it was told */
  const told = (agent: string) => {
    const server = new PlayedServer();
    server.apply(meshService('cart.shop', { v1: 1 }, { versions: [v1] }));
    const client = new PlayedClient(server, 'shop', agent);
    const types = () => {
      const taken: (ResourceKind | undefined)[] = [];
      for (let next = client.take(); next !== undefined; next = client.take())
        taken.push(kindOfTypeUrl(next.typeUrl));
      return taken;
    };
    client.ask('cluster', ['*']);
    types();
    client.ask('endpoint', ['shop/cart/v1']);
    client.ask('route', ['outbound']);
    types();
    server.apply(meshService('cart.shop', { v1: 1, v2: 1 }, { versions: [v1, v2] }));
    client.stream.push();
    return { server, client, types };
  };
  const others = told('roost');
  t.strictSame(others.types(), ['cluster', 'route']);

  const { client, types, server } = told('envoy');
  t.strictSame(types(), ['cluster']);
  t.equal(client.stream.holdsRoutes, true);
  t.equal(client.stream.settled(server.snapshot.revision), false, 'which is not all there is to tell');
  client.ask('endpoint', ['shop/cart/v2']);
  t.strictSame(types(), ['endpoint', 'route']);
  t.equal(client.stream.holdsRoutes, false);
  t.ok(holdsWhatIsDue(client, server));

  const silent = told('envoy');
  t.strictSame(silent.types(), ['cluster']);
  silent.server.nowMs += 1999;
  silent.client.stream.push();
  t.strictSame(silent.types(), []);
  silent.server.nowMs += 1;
  silent.client.stream.push();
  t.strictSame(silent.types(), ['route']);

  const refusing = told('envoy');
  refusing.client.refuse('no such thing as shop/cart/v2');
  t.strictSame(refusing.types(), ['route'], 'what it refused, it asks no endpoints for');
});

t.test('what differs by caller is not shared', async (t) => {
  const server = new PlayedServer();
  server.apply(meshService('cart.shop'));
  const [own, foreign] = [new PlayedClient(server), new PlayedClient(server, 'other')];
  for (const client of [own, foreign]) client.ask('route', ['shop/cart']);
  t.not(own.handed[0], foreign.handed[0]);
  const domains = (client: PlayedClient) => (client.handed[0] as Buffer).includes('cart:8080');
  t.ok(domains(own));
  t.notOk(domains(foreign));
  const subset = new PlayedClient(server);
  server.apply(meshService('pay.shop'));
  subset.ask('route', ['shop/cart', 'shop/pay']);
  t.not(subset.handed[0], own.handed[0]);
});

t.test('the transport is handed one response at a time, however much a client asks for', async (t) => {
  const server = new PlayedServer();
  const large = { description: 'x'.repeat(4000) };
  const headers = { request: { set: Object.fromEntries([['x-large', large.description]]) } };
  const services = Array.from({ length: 200 }, (_, i) =>
    meshService(
      `service-${i}.shop`,
      { v1: 1 },
      {
        routes: [{ name: 'default', headers, split: [{ version: 'v1', weight: 1 }] }],
      },
    ),
  );
  server.apply(...services);
  const client = new PlayedClient(server);
  client.ask('route', ['*']);
  for (let i = 0; i < 100; i++) client.ask('route', ['*']);
  t.equal(client.handed.length, 1);
  t.ok((client.handed[0] as Buffer).length < 300 * 1024, `${client.handed[0]?.length} bytes`);
  for (let i = 0; i < 50; i++) {
    server.apply(meshService('service-0.shop', { v1: 1 }, { hosts: [`h${i}.test`] }));
    client.stream.push();
  }
  t.equal(client.handed.length, 1, 'changes add nothing to that');
  client.take();
  t.equal(client.handed.length, 2, 'the next one follows when it has been taken');
  client.takeAll();
  t.same(sorted(client.held.route), sorted(client.due('route')));
});

t.test('what ends in the middle of a push is handed nothing more: the status comes next', async (t) => {
  const server = new PlayedServer();
  server.apply(meshService('cart.shop', { v1: 1 }));
  const client = new PlayedClient(server);
  for (const kind of PUSH_ORDER) client.ask(kind, ['*']);
  client.takeAll();
  server.apply(meshService('cart.shop', { v2: 1 }));
  client.stream.push();
  const handed = client.handed.length;
  client.stream.end();
  client.take();
  t.equal(client.handed.length, handed);
});

t.test('an acknowledgement is answered with nothing, not even with what has changed', async (t) => {
  const server = new PlayedServer();
  server.apply(meshService('cart.shop'));
  const client = new PlayedClient(server);
  client.ask('route', ['shop/cart']);
  server.apply(meshService('cart.shop', { v1: 1 }, { hosts: ['cart.test'] }));
  client.stream.push();
  const [first] = client.handed;
  t.ok(first);
  client.take();
  t.equal(client.handed.length, 2, 'the push that was missed, once the transport has taken the answer');
  client.takeAll();
  server.apply(meshService('cart.shop', { v1: 1 }, { hosts: ['other.test'] }));
  client.say({ typeUrl: TYPE_URL.route, responseNonce: client.nonces.at(-1) });
  t.equal(client.handed.length, 2, 'the next round of pushes brings it');
  client.stream.push();
  t.equal(client.handed.length, 3);
});

t.test('whatever clients ask and whenever they read, in the end each holds what there is', async () => {
  const services = ['a.shop', 'b.shop', 'c.other'];
  const names: Record<ResourceKind, readonly string[]> = {
    listener: ['*', 'a.shop', 'a', 'b.shop:8080', 'c', 'x.test', 'nosuch'],
    route: ['*', 'shop/a', 'shop/b', 'other/c', 'outbound', 'nosuch'],
    cluster: ['*', 'shop/a/v1', 'shop/a/v2', 'shop/b/v1', 'nosuch'],
    endpoint: ['*', 'shop/a/v1', 'shop/b/v2', 'other/c/v1', 'nosuch'],
  };
  // Names that no wildcard covers stay wanted once they are.
  const aliases = ['a', 'b.shop:8080', 'c', 'x.test', 'outbound'];
  const spec = fc.record(
    { hosts: fc.subarray(['x.test', 'y.test']), loadBalancer: fc.constantFrom('maglev', 'round-robin') },
    { requiredKeys: [] },
  );
  const split = fc.constantFrom({ v1: 1 }, { v1: 9, v2: 1 }, { v2: 1 });
  const apply = fc.record({ apply: fc.constantFrom(...services.slice(1)), split, spec: fc.constant({}) });
  const applyFirst = fc.record({ apply: fc.constant('a.shop'), split, spec });
  const remove = fc.record({ remove: fc.constantFrom('shop/a', 'shop/b', 'other/c') });
  const who = fc.nat(2);
  const ask = fc.constantFrom(...PUSH_ORDER).chain((kind) =>
    fc.record({
      ask: fc.constant(kind),
      who,
      sub: fc.subarray([...names[kind]]),
      unsub: fc.subarray(names[kind].filter((name) => !aliases.includes(name))),
    }),
  );
  const step = fc.oneof(apply, applyFirst, remove, ask, fc.record({ push: who }), fc.record({ take: who }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const server = new PlayedServer();
      // Two that are in the same position at times, and one of another namespace.
      const clients = [
        new PlayedClient(server),
        new PlayedClient(server),
        new PlayedClient(server, 'other'),
      ] as const;
      const clientOf = (n: number) => clients[n] as PlayedClient;
      for (const s of steps) {
        if ('apply' in s) server.apply(meshService(s.apply, s.split, s.spec));
        else if ('remove' in s) server.delete(s.remove as ServiceKey);
        else if ('ask' in s) clientOf(s.who).ask(s.ask, s.sub, s.unsub);
        else if ('push' in s) clientOf(s.push).stream.push();
        else clientOf(s.take).take();
      }
      for (const client of clients) {
        client.takeAll();
        client.stream.push();
        client.takeAll();
      }
      // From here on all are at the same place in the log, where what one is sent may be another's.
      for (const order of [clients, [...clients].reverse()]) {
        if (!clients.every((client) => holdsWhatIsDue(client, server))) return false;
        server.apply(...services.map((name) => meshService(name, { v1: 1, v2: order.length })));
        server.apply(meshService('b.shop', { v1: 1 }, order === clients ? { hosts: ['z.test'] } : {}));
        for (const client of order) client.stream.push();
        for (const client of order) {
          client.takeAll();
          // In the same words as in the round before, and meaning what there is now.
          for (const kind of PUSH_ORDER) client.ask(kind, [...client.wanted[kind]]);
          client.takeAll();
        }
      }
      if (!clients.every((client) => holdsWhatIsDue(client, server))) return false;
      return true;
    }),
    { numRuns: 300 },
  );
});

t.test('what an Envoy refuses as a whole comes once more, each resource by itself', async (t) => {
  const server = new PlayedServer();
  const names = ['shop/cart', 'shop/pay', 'shop/till'];
  server.apply(meshService('cart.shop'), meshService('pay.shop'), meshService('till.shop'));
  const refusing = (agent: string) => {
    const client = new PlayedClient(server, 'shop', agent);
    client.ask('route', names);
    client.refuse('shop/pay: no good');
    return client;
  };
  const envoy = refusing('envoy');
  t.same(
    names.map(() => {
      const isBad = (RESPONSE.decode(envoy.handed.at(-1) as Buffer) as unknown as PlayedResponse)
        .resources[0];
      if (isBad?.name !== 'shop/pay') return envoy.take()?.resources.map(({ name }) => name);
      envoy.refuse('shop/pay: no good');
      return ['refused'];
    }),
    [['shop/cart'], ['refused'], ['shop/till']],
  );
  t.equal(envoy.take(), undefined, 'what is refused by itself does not come again');
  t.ok(envoy.stream.hasRejection);
  t.equal(refusing('roost').take(), undefined, 'our sidecars have taken what is good');
});
