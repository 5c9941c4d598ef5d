import type { SocketAddress } from '../../src/model/formats.js';
import type { LogOutput } from '../../src/telemetry/log-output.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { BoundMetric } from '../../src/telemetry/metrics.js';
import type { ClusterLoad } from '../../src/xds/load-report.js';
import type { ClusterRegistry, FollowNames } from '../cluster/cluster-registry.js';
import type { LiveCluster } from '../cluster/live-cluster.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { ResourceConsumer } from '../discovery/ads-client.js';
import type { ListenerDemand } from '../discovery/listener-demand.js';
import type { MeshConfiguration } from '../discovery/mesh-configuration.js';
import type { HostDemand } from '../discovery/on-demand.js';
import type { Direction, Listener } from '../net/listener.js';
import type { ClusterTallies } from '../records/cluster-tallies.js';
import type { NewFailovers } from '../records/failovers.js';
import type { Sample } from '../records/request-samples.js';
import type { FleetPins } from '../session/sharing/fleet-pins.js';
import type { DrainedListener } from './drain.js';
import { ownState, type ThreadState } from './thread-state.js';

/** The parts of the main thread that the other workers report to. */
export interface Leader {
  readonly clusters: ClusterRegistry;
  readonly configuration: MeshConfiguration;
  /** Undefined: the sidecar does not look hosts up when they are called. */
  readonly onDemand: HostDemand | undefined;
  readonly fleetPins: FleetPins;
  readonly output: LogOutput;
  readonly log: Logger;
  onFailovers(news: readonly NewFailovers[]): void;
}

/**
 * The workers besides the main thread, as the main thread deals with them. Methods that return figures take the main
 * thread's own and return those of all workers; they reject where a worker does not answer in time, so that a part is
 * never taken for the whole.
 */
export interface OtherWorkers {
  /** The main thread's share of the state that all workers use. */
  readonly state: ThreadState;
  /** Starts them. @throws OperatorError */
  start(leader: Leader): Promise<void>;

  /** @returns a consumer that passes on to them what it takes */
  consumer(configuration: MeshConfiguration, demand: ListenerDemand): ResourceConsumer;
  /** @returns the same, and tells them what names resolve to */
  follow(follow: FollowNames): FollowNames;
  /** The sidecar does not ask for these listeners any more. */
  onForgotten(listeners: readonly string[]): void;
  /** These route configurations do not wait for their clusters any longer. */
  onOverdue(routes: readonly string[]): void;
  onCondition(cluster: LiveCluster, endpoint: UpstreamEndpoint): void;
  onSidecarKey(key: Uint8Array): void;
  /** Asks for a connection that another worker can spare; undefined: there is no other worker. */
  readonly askForRoom: ((cluster: string, address: string | undefined) => void) | undefined;

  /** The listeners of all workers as one. @param own the main thread's */
  listener(own: Listener, direction: Direction): DrainedListener;
  /**
   * Has all workers listen on one address.
   *
   * @returns the address with its port
   * @throws ListenError, OperatorError
   */
  bind(own: Listener, wanted: SocketAddress, direction: Direction): Promise<string>;

  metrics(own: readonly BoundMetric[]): Promise<readonly BoundMetric[]>;
  clusters(): Promise<readonly ClusterTallies[]>;
  samples(count: number, own: readonly Sample[]): Promise<readonly Sample[]>;
  load(own: readonly ClusterLoad[]): Promise<readonly ClusterLoad[]>;

  /** Cuts off the requests that are left and takes over the last of the log. */
  finish(log: Logger): Promise<void>;
  close(): Promise<void>;
}

/** The main thread is the only worker. */
export class NoOtherWorkers implements OtherWorkers {
  readonly state: ThreadState;
  readonly askForRoom = undefined;

  constructor(sessionTableSize: number, nowMs: number) {
    this.state = ownState(sessionTableSize, nowMs);
  }

  async start(): Promise<void> {}

  consumer(configuration: MeshConfiguration): ResourceConsumer {
    return configuration;
  }

  follow(follow: FollowNames): FollowNames {
    return follow;
  }

  onForgotten(): void {}
  onOverdue(): void {}
  onCondition(): void {}
  onSidecarKey(): void {}

  listener(own: Listener): DrainedListener {
    return own;
  }

  bind(own: Listener, wanted: SocketAddress): Promise<string> {
    return own.start(wanted);
  }

  async metrics(own: readonly BoundMetric[]): Promise<readonly BoundMetric[]> {
    return own;
  }

  async clusters(): Promise<readonly ClusterTallies[]> {
    return [];
  }

  async samples(_count: number, own: readonly Sample[]): Promise<readonly Sample[]> {
    return own;
  }

  async load(own: readonly ClusterLoad[]): Promise<readonly ClusterLoad[]> {
    return own;
  }

  async finish(): Promise<void> {}
  async close(): Promise<void> {}
}
