import type { LimitsConfig } from '../../src/xds/cluster-protection.js';
import type { LimitName } from '../http/limits.js';
import { type ClusterCounts, OwnClusterCounts } from './cluster-counts.js';

const NONE = Number.POSITIVE_INFINITY;

/** What a cluster without limits has. */
export const UNLIMITED: LimitsConfig = {
  connections: NONE,
  pending: NONE,
  requests: NONE,
  retries: NONE,
  retryBudgetPercent: 20,
  retryBudgetMinimum: 3,
  retryReservePerSecond: 0,
  perEndpointConnections: NONE,
  perEndpointRequests: NONE,
};

/** In words, for the person who reads the answer. */
const LIMIT_WORDS: Readonly<Record<LimitName, string>> = {
  connections: 'connections',
  pending: 'requests waiting for a connection',
  requests: 'requests in flight',
  perEndpointConnections: 'connections to the endpoint',
  perEndpointRequests: 'requests in flight at the endpoint',
};

/** Most copies of requests under way to one cluster; beyond that, requests are not copied. */
export const MAX_COPIES = 100;

/**
 * What a cluster's endpoints have in hand together, and how much they may: every request comes by here. Nothing is
 * ever queued, what is over a limit is refused at once.
 */
export class ClusterLoad {
  limits = UNLIMITED;
  /** Attempts that this thread has made. */
  total = 0;
  /** Attempts that this thread has refused, by the limit that they met. */
  readonly shed: Record<LimitName, number> = {
    connections: 0,
    pending: 0,
    requests: 0,
    perEndpointConnections: 0,
    perEndpointRequests: 0,
  };
  /** Retries that the budget did not allow, in this thread. */
  retriesRefused = 0;

  /**
   * @param closeOneIdle closes a connection of the cluster that nobody uses; false: this thread has none
   * @param onFirstUse this thread sends something there for the first time
   * @param nowMs one clock for all threads
   */
  constructor(
    private readonly counts: ClusterCounts = new OwnClusterCounts(),
    private readonly closeOneIdle: () => boolean = () => false,
    private readonly onFirstUse: () => void = () => {},
    private readonly nowMs: () => number = () => 0,
  ) {}

  /** Attempts in flight. */
  get requests(): number {
    return this.counts.requests.taken;
  }

  /** Connections open, those being made included. */
  get connections(): number {
    return this.counts.connections.taken;
  }

  /** Attempts whose connection is being made. */
  get pending(): number {
    return this.counts.pending.taken;
  }

  /** Requests whose last attempt was a retry and is not answered yet. */
  get retries(): number {
    return this.counts.retries.taken;
  }

  /** Something has been sent there. */
  get isUsed(): boolean {
    return this.counts.isUsed;
  }

  /** This thread has refused something. */
  get hasRefused(): boolean {
    return this.retriesRefused > 0 || Object.values(this.shed).some((count) => count > 0);
  }

  /** Counts a refusal. @returns the limit, for the caller to hand on */
  refuse(limit: LimitName): LimitName {
    this.shed[limit]++;
    return limit;
  }

  takeRequest(): boolean {
    return this.counts.requests.take(this.limits.requests);
  }

  giveBackRequest(): void {
    this.counts.requests.giveBack();
  }

  /** An attempt has what it needs, and is on its way. */
  begin(): void {
    if (this.total++ !== 0) return;
    this.counts.use();
    this.onFirstUse();
  }

  /** A connection that is to be made: it takes a place among the open ones and one among those being made. */
  takePending(): boolean {
    return this.counts.pending.take(this.limits.pending);
  }

  /** It is made, or will not be. */
  giveBackPending(): void {
    this.counts.pending.giveBack();
  }

  /** Takes a place for a connection, if need be in place of one that nobody uses. */
  takeConnection(): boolean {
    while (!this.counts.connections.take(this.limits.connections)) {
      if (!this.closeOneIdle()) return false;
    }
    return true;
  }

  giveBackConnection(): void {
    this.counts.connections.giveBack();
  }

  takeCopy(): boolean {
    return this.counts.copies.take(MAX_COPIES);
  }

  giveBackCopy(): void {
    this.counts.copies.giveBack();
  }

  /**
   * Takes a retry out of the budget: a share of the requests in flight, always a few, and what is in reserve. Given
   * back with {@link endRetry} when it has been answered.
   */
  startRetry(): boolean {
    const { retries, retryBudgetPercent, retryBudgetMinimum } = this.limits;
    const budget = Math.max(retryBudgetMinimum, Math.floor((this.requests * retryBudgetPercent) / 100));
    if (this.counts.retries.take(Math.min(retries, budget)) || this.takeFromReserve()) return true;
    this.retriesRefused++;
    return false;
  }

  private takeFromReserve(): boolean {
    const { retries, retryReservePerSecond } = this.limits;
    if (!this.counts.retries.take(retries)) return false;
    if (this.counts.retryReserve.take(retryReservePerSecond, this.nowMs())) return true;
    this.counts.retries.giveBack();
    return false;
  }

  endRetry(): void {
    this.counts.retries.giveBack();
  }

  /** `100 requests in flight, the limit`. */
  describe(limit: LimitName): string {
    return `${this.limits[limit]} ${LIMIT_WORDS[limit]}, the limit`;
  }
}
