import type { EndpointConfig } from '../../src/xds/endpoint.js';
import { ClusterRegistry } from '../cluster/cluster-registry.js';
import type { ClusterSettings } from '../cluster/live-cluster.js';
import type { UpstreamSettings } from '../cluster/upstream-endpoint.js';
import { type Sighting, WorkerCluster } from '../cluster/worker-cluster.js';
import { type Demand, MeshConfiguration } from '../discovery/mesh-configuration.js';
import type { Change } from './journal.js';
import type { RoomWanted } from './messages.js';

export interface ReplicaOptions {
  readonly settings: UpstreamSettings & Pick<ClusterSettings, 'counts' | 'machine'>;
  onSighting(sighting: Sighting): void;
  onRoomWanted(wanted: RoomWanted): void;
  onSidecarKey(key: Uint8Array): void;
}

/**
 * The main thread's configuration once more, made of the same changes. It asks for nothing: not the control
 * plane, not DNS, not the endpoints.
 */
export class Replica {
  readonly clusters: ClusterRegistry;
  readonly configuration: MeshConfiguration;
  /** Takes what a cluster's DNS names resolve to. */
  private readonly named = new Map<string, (found: readonly EndpointConfig[]) => void>();
  private isReady = false;

  constructor(private readonly options: ReplicaOptions) {
    const { settings, onSighting, onRoomWanted } = options;
    const ofClusters = {
      ...settings,
      // It checks nothing.
      asksForCalled: false,
      onCondition() {},
      askForRoom: (cluster: string, address: string | undefined) => onRoomWanted({ cluster, address }),
    };
    this.clusters = new ClusterRegistry(
      (name, onAwake) => new WorkerCluster(name, ofClusters, onSighting, onAwake),
      (cluster, _config, onEndpoints) => this.follow(cluster, onEndpoints),
    );
    this.configuration = new MeshConfiguration({
      clusters: this.clusters,
      demand: this.demand(),
      subscribe() {},
      nowMs: settings.nowMs,
      log: { info() {} },
    });
  }

  /** @param isReady the main thread has had a whole configuration in force since */
  make(change: Change, isReady: boolean): void {
    this.isReady = isReady;
    switch (change.what) {
      case 'resources':
        this.takeResources(change);
        return;
      case 'names':
        this.named.get(change.cluster)?.(change.found);
        return;
      case 'forgotten':
        this.configuration.forget(change.listeners);
        return;
      case 'overdue':
        this.configuration.stopWaiting(change.routes);
        return;
      case 'condition':
        this.setCondition(change);
        return;
      case 'sidecar-key':
        this.options.onSidecarKey(change.key);
    }
  }

  /** What comes is wanted, and it is the main thread that knows when all has. */
  private demand(): Demand {
    const isReady = () => this.isReady;
    return {
      get isAnswered() {
        return isReady();
      },
      wants: () => true,
      start() {},
      resume() {},
      onListener() {},
      onResponse() {},
      onTable() {},
      tick() {},
    };
  }

  private takeResources({ kind, resources, removed }: Extract<Change, { what: 'resources' }>): void {
    const asReceived = resources.map(({ name, version, bytes }) => ({
      name,
      version,
      bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
    }));
    const [refused] = this.configuration.onResources(kind, asReceived, removed);
    if (refused !== undefined)
      throw new Error(
        `a worker refuses what the main thread has accepted: ${kind} ${refused.name}: ${refused.reason}`,
      );
  }

  private setCondition({ cluster, address, condition }: Extract<Change, { what: 'condition' }>): void {
    const found = this.clusters.find(cluster);
    if (found instanceof WorkerCluster) found.setCondition(address, condition);
  }

  private follow(
    cluster: string,
    onEndpoints: (found: readonly EndpointConfig[]) => void,
  ): { close(): void } {
    this.named.set(cluster, onEndpoints);
    return {
      close: () => {
        if (this.named.get(cluster) === onEndpoints) this.named.delete(cluster);
      },
    };
  }
}
