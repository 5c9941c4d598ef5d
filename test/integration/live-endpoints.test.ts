import { EventEmitter } from 'node:events';
import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import t from 'tap';
import { AdsServer } from '../../control-plane/ads/ads-server.js';
import { newAdsSource } from '../../control-plane/ads/ads-source.js';
import { LiveEndpoints } from '../../control-plane/endpoints/live-endpoints.js';
import { ChangeLog } from '../../control-plane/snapshot/change-log.js';
import { SnapshotPublisher } from '../../control-plane/snapshot/publisher.js';
import { Snapshot } from '../../control-plane/snapshot/snapshot.js';
import type { ConfigStore } from '../../control-plane/store/config-store.js';
import { parseMeshService } from '../../src/model/mesh-service.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { messages } from '../../src/xds/fields.js';
import { meshService } from '../support/shop.js';
import { XdsClient, type XdsResponse } from '../support/xds-client.js';

type Test = Parameters<typeof XdsClient.delta>[0];

/** A store that has one service with live endpoints and counts every attempt to change it. */
function storeOfLiveCart() {
  const service = parseMeshService(meshService('cart.shop'));
  const versions = [{ name: 'v1', selector: { version: 'v1' } }];
  const cart = { ...service, spec: { ...service.spec, versions } };
  const record = { document: {}, revision: 4, born: {} };
  const current = {
    revision: 4,
    services: new Map([['shop/cart', { service: cart, record }]]),
    unserved: new Map(),
    pinSecret: Buffer.alloc(32),
  };
  const store = Object.assign(new EventEmitter(), { current });
  return { store, asStore: store as unknown as ConfigStore };
}

/** The control plane between its sources and its clients, on a real port. */
async function start(t: Test) {
  const { store, asStore } = storeOfLiveCart();
  const endpoints = new LiveEndpoints();
  const snapshot = new Snapshot();
  const changes = new ChangeLog();
  const ads = new AdsServer({
    source: newAdsSource(snapshot, changes),
    log: createLogger('test', 'silent'),
    greeting: () => new Metadata(),
    disconnect: () => {},
  });
  const publisher = new SnapshotPublisher({
    store: asStore,
    endpoints,
    snapshot,
    changes,
    lingerMs: 10_000,
    nowMs: Date.now,
    slowestSequence: () => ads.slowestSequence,
    onPublished: () => ads.pushChanges(),
  });
  const server = new Server();
  server.addService(ads.definition, ads.implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  t.teardown(() => {
    ads.closeAll();
    publisher.close();
    server.forceShutdown();
  });
  const see = (...hosts: number[]) =>
    endpoints.update([
      {
        service: 'shop/cart',
        release: 'v1',
        endpoints: hosts.map((host) => ({ address: `10.0.0.${host}`, port: 80 })),
      },
    ]);
  return { address: `127.0.0.1:${port}`, ads, see, snapshot, store };
}

const countOf = ({ resources }: XdsResponse) =>
  messages(resources['shop/cart/v1']?.endpoints).flatMap(({ lbEndpoints }) => messages(lbEndpoints)).length;

for (const protocol of ['delta', 'sotw'] as const)
  t.test(
    `live endpoints reach a ${protocol} client, as endpoints alone and without a revision`,
    async (t) => {
      const { address, ads, see, snapshot } = await start(t);
      see(1);
      const client = XdsClient[protocol](t, address, { metadata: { namespace: 'shop' } });
      const take = async (kind: 'cluster' | 'endpoint' | 'route', name: string) => {
        client.send(kind, { resourceNamesSubscribe: [name], resourceNames: [name] });
        const response = await client.next(kind);
        client.ack(response, { resourceNames: [name] });
        return response;
      };
      await take('cluster', 'shop/cart/v1');
      await take('route', 'shop/cart');
      t.equal(countOf(await take('endpoint', 'shop/cart/v1')), 1);
      await client.silence();
      see(1, 2);
      const response = await client.next('endpoint');
      t.equal(countOf(response), 2);
      t.equal(snapshot.revision, 4);
      const [stream] = ads.streams;
      t.ok(stream?.settled(4), 'a wait for the revision does not wait for this answer');
      t.equal(stream?.typeState('endpoint').acks.unanswered, 1);
      client.ack(response, { resourceNames: ['shop/cart/v1'] });
      see();
      t.equal(countOf(await client.next('endpoint')), 0, 'the last endpoint may go; the assignment stays');
      await client.silence();
    },
  );

t.test('what a client costs does not grow with the largest request that it has sent', async (t) => {
  const { address, ads } = await start(t);
  const client = XdsClient.delta(t, address, { metadata: { namespace: 'shop' } });
  client.subscribe('endpoint', ...Array.from({ length: 5000 }, (_, i) => `shop/service-${i}/v1`));
  client.ack(await client.next('endpoint'));
  await client.silence();
  client.subscribe('cluster', ...Array.from({ length: 5000 }, (_, i) => `shop/service-${i}/v1`));
  await client.next('cluster');
  const [stream] = ads.streams as unknown as { readonly call: { readonly call: Internals } }[];
  t.ok(stream);
  const { readCompressFlag: flag, readPartialMessage: chunks } = (stream as NonNullable<typeof stream>).call
    .call.decoder;
  t.equal(flag.buffer.byteLength, 1, 'grpc-js holds no chunk of the request');
  t.same(chunks, []);
});

interface Internals {
  readonly decoder: { readonly readCompressFlag: Buffer; readonly readPartialMessage: readonly Buffer[] };
}
