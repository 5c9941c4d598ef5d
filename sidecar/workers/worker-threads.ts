import { type SocketAddress, splitHostPort } from '../../src/model/formats.js';
import type { LogOutput } from '../../src/telemetry/log-output.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { BoundMetric } from '../../src/telemetry/metrics.js';
import type { ClusterLoad } from '../../src/xds/load-report.js';
import { withOthers } from '../admin/summed-metrics.js';
import type { DrainedListener } from '../assembly/drain.js';
import type { Leader, OtherWorkers } from '../assembly/other-workers.js';
import { sharedMemory, sharedState } from '../assembly/shared-state.js';
import type { SidecarOptions } from '../assembly/sidecar-options.js';
import type { ThreadState } from '../assembly/thread-state.js';
import type { FollowNames } from '../cluster/cluster-registry.js';
import type { LiveCluster } from '../cluster/live-cluster.js';
import { MadeCounts } from '../cluster/shared-counts.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { ResourceConsumer } from '../discovery/ads-client.js';
import type { ListenerDemand } from '../discovery/listener-demand.js';
import { mergedLoads } from '../discovery/merged-loads.js';
import type { MeshConfiguration } from '../discovery/mesh-configuration.js';
import type { Direction, Listener } from '../net/listener.js';
import type { ClusterTallies } from '../records/cluster-tallies.js';
import { newestOf, type Sample } from '../records/request-samples.js';
import type { FleetPins } from '../session/sharing/fleet-pins.js';
import { hrtimeMs } from './clock-origin.js';
import { applySighting } from './endpoint-sightings.js';
import { HostLookupsForWorkers } from './host-lookups-for-workers.js';
import { Journal } from './journal.js';
import { JournaledConsumer } from './journaled-consumer.js';
import { assertPortsCanBeShared, shareOf, tryPort } from './shared-port.js';
import { TeamListener } from './team-listener.js';
import { WorkerTeam } from './worker-team.js';

/** How long the reader of the log may take for the last of it. */
const LAST_LINES_MS = 500;

/** The workers in threads of their own. Loaded only where there are any. */
export class WorkerThreads implements OtherWorkers {
  /** The main thread's own share of what all workers have. */
  readonly state: ThreadState;
  private readonly team: WorkerTeam;
  private readonly journal: Journal;
  private configuration: MeshConfiguration | undefined;
  private hosts: HostLookupsForWorkers | undefined;

  /** @throws OperatorError where connections cannot be spread over several */
  constructor(options: SidecarOptions) {
    assertPortsCanBeShared();
    const memory = sharedMemory(options.sessionTableSize, Math.floor(performance.now()));
    const counts = new MadeCounts();
    const inForce = new Int32Array(new SharedArrayBuffer(4));
    const clockOriginMs = hrtimeMs() - performance.now();
    const { app, limits, passthrough, intercept, opaquePorts, sniffTimeoutMs } = options;
    const { service, release, accessLog, debugSample } = options;
    const path = { app, limits, passthrough, intercept, opaquePorts, sniffTimeoutMs };
    const forWorkers = { ...path, service, release, accessLog, debugSample };
    const hostWaitMs = options.dependencies?.onDemand?.waitMs;
    const setup = { options: forWorkers, hostWaitMs, memory, clockOriginMs };
    this.team = new WorkerTeam(options.workers, setup, inForce);
    const isReady = () => this.configuration?.table !== undefined;
    this.journal = new Journal(this.team.journalPorts, inForce, counts, isReady);
    this.state = sharedState(memory, counts);
  }

  /** Starts them. @throws OperatorError */
  start(leader: Leader): Promise<void> {
    const { clusters, configuration, onDemand, fleetPins, output, log, onFailovers } = leader;
    const isThere = (authority: string) => configuration.table?.find(authority) !== undefined;
    const hosts = onDemand && new HostLookupsForWorkers(onDemand, isThere);
    this.hosts = hosts;
    return this.team.start({
      onSighting: (sighting) => applySighting(clusters, sighting),
      onRoomWanted: ({ cluster, address }) => clusters.find(cluster)?.giveRoom(address),
      onHost: (call, authority, answer) => hosts?.ask(call, authority, answer),
      onHostGivenUp: (call) => hosts?.end(call),
      onUsed: (routes) => {
        for (const name of routes) configuration.noteUse(name);
      },
      onPins: (pins) => {
        for (const [service, keys] of pins) for (const key of keys) fleetPins.note(service, key);
      },
      onPinsWanted: (service, key, known) => awaitPins(fleetPins, { service, key }, known),
      onWarning: (fields, message) => log.child({ component: 'requests' }).warn(fields, message),
      onFailovers,
      onLog: (lines, written) => output.relay(lines, written),
      onLost: (worker, error) => void endWith(worker, error, output, log),
    });
  }

  // ---- what they are told ----

  /** A consumer that they take the same as. */
  consumer(configuration: MeshConfiguration, demand: ListenerDemand): ResourceConsumer {
    this.configuration = configuration;
    return new JournaledConsumer(configuration, (listener) => demand.wants(listener), this.journal);
  }

  /** What they learn what names resolve to from. */
  follow(follow: FollowNames): FollowNames {
    return (cluster, config, onEndpoints) =>
      follow(cluster, config, (found) => {
        onEndpoints(found);
        this.journal.write({ what: 'names', cluster, found });
      });
  }

  /** Listeners are not asked for any more. */
  onForgotten(listeners: readonly string[]): void {
    this.journal.write({ what: 'forgotten', listeners });
  }

  /** Route configurations have been told not to wait any longer. */
  onOverdue(routes: readonly string[]): void {
    this.journal.write({ what: 'overdue', routes });
  }

  /** Of an endpoint that the configuration has dropped, no worker needs to know; another may have its address by now. */
  onCondition({ name: cluster }: LiveCluster, { address, isRetired, condition }: UpstreamEndpoint): void {
    if (!isRetired) this.journal.write({ what: 'condition', cluster, address, condition });
  }

  onSidecarKey(key: Uint8Array): void {
    this.journal.write({ what: 'sidecar-key', key });
  }

  readonly askForRoom = (cluster: string, address: string | undefined): void => {
    this.team.wantRoom({ cluster, address });
  };

  // ---- listeners ----

  listener(own: Listener, direction: Direction): DrainedListener {
    return new TeamListener(own, this.team, direction, (...args) => this.bind(...args));
  }

  /**
   * Has all workers listen on one address.
   *
   * @param own the main thread's listener
   * @returns the address, port filled in
   * @throws ListenError, OperatorError
   */
  async bind(own: Listener, wanted: SocketAddress, direction: Direction): Promise<string> {
    const { what } = own;
    const tried = await tryPort(what, wanted);
    const bound = await own.start(tried, await shareOf(what, tried));
    const address = splitHostPort(bound) as SocketAddress;
    await this.team.askEach('listen', async () => [
      direction,
      { address, sharing: await shareOf(what, address) },
    ]);
    return bound;
  }

  // ---- what they have to show; each throws where one does not answer soon: a part is not taken for the whole ----

  async metrics(own: readonly BoundMetric[]): Promise<readonly BoundMetric[]> {
    return withOthers(own, await this.team.askSoon('metrics'));
  }

  clusters(): Promise<readonly ClusterTallies[]> {
    return this.team.askSoon('clusters');
  }

  async samples(count: number, own: readonly Sample[]): Promise<readonly Sample[]> {
    return newestOf(count, [own, ...(await this.team.askSoon('samples', count))]);
  }

  /** What is reported is gone, so this waits for as long as it takes. */
  async load(own: readonly ClusterLoad[]): Promise<readonly ClusterLoad[]> {
    return mergedLoads([own, ...(await this.team.ask('load'))]);
  }

  // ---- the end ----

  /** Has them cut off what is left and hand on the last of their log. */
  async finish(log: Logger): Promise<void> {
    try {
      await this.team.askSoon('finish');
    } catch (error) {
      log.warn({ err: error }, 'the last lines of a worker’s log may be lost');
    }
  }

  close(): Promise<void> {
    this.hosts?.close();
    return this.team.close();
  }
}

interface WantedPins {
  readonly service: string;
  readonly key: bigint;
}

/** @param known called once what a call waits for is here, or has been waited for long enough */
function awaitPins(
  sharing: FleetPins,
  { service, key }: WantedPins,
  known: (forGood: boolean) => void,
): void {
  const over = () => {
    clearTimeout(timer);
    wait?.cancel();
    known(sharing.perService);
  };
  const wait = sharing.await(service, key, over);
  const timer = setTimeout(over, wait?.waitMs ?? 0);
}

/**
 * What a worker had under way is lost, what it held in shared memory will never be given back, and where it held a lock,
 * others wait for it.
 */
async function endWith(
  worker: number,
  error: Error | undefined,
  output: LogOutput,
  log: Logger,
): Promise<void> {
  log.fatal({ worker, err: error }, 'a worker has died, and the sidecar ends with it');
  await output.drain(LAST_LINES_MS);
  process.exit(1);
}
