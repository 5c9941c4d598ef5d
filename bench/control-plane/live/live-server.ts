import { EventEmitter } from 'node:events';
import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { AdsServer } from '../../../control-plane/ads/ads-server.js';
import { type AdsSource, newAdsSource } from '../../../control-plane/ads/ads-source.js';
import type { AdsStream } from '../../../control-plane/ads/ads-stream.js';
import type { LiveEndpoint } from '../../../control-plane/endpoints/live-endpoint.js';
import { LiveEndpoints } from '../../../control-plane/endpoints/live-endpoints.js';
import { ChangeLog } from '../../../control-plane/snapshot/change-log.js';
import { SnapshotPublisher } from '../../../control-plane/snapshot/publisher.js';
import { Snapshot } from '../../../control-plane/snapshot/snapshot.js';
import type { ConfigStore } from '../../../control-plane/store/config-store.js';
import { parseMeshService, type ServiceKey, serviceKey } from '../../../src/model/mesh-service.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { bigMesh } from '../../micro/big-mesh.js';
import { monotonicMs } from '../lab.js';
import { timedAddress } from './timed-endpoint.js';

const ENDPOINTS_EACH = 10;
const LINGER_MS = 10_000;
const STALLED_AFTER_MS = 60_000;

/** What a control plane is between its sources and its clients, with a source that changes endpoints all the time. */
export class LiveServer {
  private readonly endpoints = new LiveEndpoints();
  private readonly source: AdsSource<AdsStream>;
  private readonly ads: AdsServer;
  private readonly keys: readonly ServiceKey[];
  private made = 0;
  private everyone = false;

  constructor(services: number) {
    const configuration = liveMesh(services);
    this.keys = [...configuration.services.keys()];
    const store = Object.assign(new EventEmitter(), { current: configuration }) as unknown as ConfigStore;
    const snapshot = new Snapshot();
    const changes = new ChangeLog();
    this.source = newAdsSource<AdsStream>(snapshot, changes);
    this.ads = new AdsServer({
      source: this.source,
      log: createLogger('bench', 'warn'),
      greeting: () => new Metadata(),
      disconnect: () => {},
      stalledAfterMs: STALLED_AFTER_MS,
    });
    for (const key of this.keys) this.put(key, '192.168.0.1');
    new SnapshotPublisher({
      store,
      endpoints: this.endpoints,
      snapshot,
      changes,
      lingerMs: LINGER_MS,
      nowMs: Date.now,
      slowestSequence: () => this.ads.slowestSequence,
      onPublished: () => this.push(),
    });
  }

  /** @returns its port */
  listen(): Promise<number> {
    const server = new Server({ 'grpc.max_send_message_length': -1, 'grpc.max_receive_message_length': -1 });
    server.addService(this.ads.definition, this.ads.implementation);
    return new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  }

  /**
   * Changes one endpoint after the other, of one service after the other.
   *
   * @param everyone each round visits every client, as it did before there was an index
   * @returns how many
   */
  async change(perSecond: number, seconds: number, everyone: boolean): Promise<number> {
    this.everyone = everyone;
    const [beganMs, madeBefore] = [monotonicMs(), this.made];
    for (let elapsed = 0; elapsed < seconds; elapsed = (monotonicMs() - beganMs) / 1000) {
      for (const due = madeBefore + elapsed * perSecond; this.made < due; this.made++)
        this.put(this.keys[this.made % this.keys.length] as ServiceKey, timedAddress(monotonicMs()));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return this.made - madeBefore;
  }

  private put(service: ServiceKey, changing: string): void {
    const others = Array.from({ length: ENDPOINTS_EACH - 1 }, (_, i) => `192.168.1.${i + 1}`);
    const endpoints: LiveEndpoint[] = [changing, ...others].map((address) => ({ address, port: 8080 }));
    this.endpoints.update([{ service, release: 'v1', endpoints }]);
  }

  private push(): void {
    if (this.everyone) for (const stream of this.ads.streams) stream.stepAside();
    this.ads.pushChanges();
  }
}

/** The benchmark's mesh, whose first releases have live endpoints. */
function liveMesh(services: number) {
  const mesh = bigMesh({ services, endpointsEach: 1, routesEach: 1 }).map(parseMeshService);
  const configured = mesh.map((service) => {
    const versions = service.spec.versions.map((version) =>
      version.name === 'v1' ? { name: 'v1', selector: { version: 'v1' } } : version,
    );
    const record = { document: {}, revision: 1, born: {} };
    return [
      serviceKey(service),
      { service: { ...service, spec: { ...service.spec, versions } }, record },
    ] as const;
  });
  return { revision: 1, services: new Map(configured), unserved: new Map(), pinSecret: Buffer.alloc(32) };
}
