import type { HealthCheckConfig } from '../../src/xds/cluster-protection.js';
import type { Dialled } from '../tls/dial.js';
import type { HealthRecord } from './health-record.js';

/** An endpoint, as far as active checks look at it. */
export interface CheckedEndpoint extends Dialled {
  readonly health: HealthRecord;
  readonly isRetired: boolean;
}

/** A cluster whose endpoints may have to be checked. */
export interface CheckedCluster<E extends CheckedEndpoint = CheckedEndpoint> {
  /** Undefined: nobody is checked. */
  readonly healthCheck: HealthCheckConfig | undefined;
  readonly upstreams: Iterable<E>;
  /** Something has been sent there. */
  readonly isUsed: boolean;
  /** It is used, or this sidecar has asked for it by name: endpoints of others are left alone. */
  readonly isCalled: boolean;
  onChecked(endpoint: E, failure: string | undefined): void;
}

/**
 * Makes one check and gives up when told to. Never rejects.
 *
 * @returns undefined where the endpoint is well, else what was wrong
 */
export type HealthProbe = (
  endpoint: Dialled,
  config: HealthCheckConfig,
  signal: AbortSignal,
) => Promise<string | undefined>;

/** Checks under way at once, over all clusters; others wait for their turn, each endpoint at most once. */
const MAX_UNDER_WAY = 64;

interface Job {
  readonly cluster: CheckedCluster;
  readonly endpoint: CheckedEndpoint;
  readonly config: HealthCheckConfig;
}

/** Asks endpoints how they are: when each is due, how many at once, and for how long at most. */
export class HealthChecker {
  private readonly waiting: Job[] = [];
  private readonly underWay = new Set<AbortController>();
  private closed = false;

  constructor(
    private readonly probe: HealthProbe,
    private readonly random: () => number = Math.random,
  ) {}

  /** Starts whatever checks of this cluster are due. Called on the coarse clock's tick. */
  tick<E extends CheckedEndpoint>(cluster: CheckedCluster<E>, nowMs: number): void {
    const { healthCheck: config } = cluster;
    // A sidecar knows services that its app never calls: who configures those has no business with this machine.
    if (config === undefined || this.closed || !cluster.isCalled) return;
    const intervalMs = cluster.isUsed ? config.intervalMs : config.unusedIntervalMs;
    for (const endpoint of cluster.upstreams) {
      const { health } = endpoint;
      // The first ones are spread over the interval.
      health.lastMs ??= nowMs - this.random() * intervalMs;
      const isDue = nowMs - health.lastMs >= intervalMs * health.jitter;
      if (health.underWay || (!isDue && health.hurried === 0)) continue;
      if (health.hurried > 0) health.hurried--;
      health.underWay = true;
      health.lastMs = nowMs;
      health.jitter = 0.9 + 0.2 * this.random();
      // The cluster gets back no other endpoints than its own.
      this.waiting.push({ cluster: cluster as unknown as CheckedCluster, endpoint, config });
    }
    this.startWaiting();
  }

  close(): void {
    this.closed = true;
    this.waiting.length = 0;
    for (const controller of this.underWay) controller.abort();
  }

  private startWaiting(): void {
    while (this.underWay.size < MAX_UNDER_WAY) {
      const job = this.waiting.shift();
      if (job === undefined) return;
      if (!job.endpoint.isRetired) void this.run(job);
    }
  }

  private async run({ cluster, endpoint, config }: Job): Promise<void> {
    const controller = new AbortController();
    this.underWay.add(controller);
    const timer = setTimeout(() => controller.abort(), config.timeoutMs).unref();
    const failure = await this.probe(endpoint, config, controller.signal);
    clearTimeout(timer);
    this.underWay.delete(controller);
    endpoint.health.underWay = false;
    const counts = !this.closed && !endpoint.isRetired && cluster.healthCheck === config;
    if (counts) cluster.onChecked(endpoint, failure);
    this.startWaiting();
  }
}
