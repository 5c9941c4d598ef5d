import type { LimitsConfig } from '../../src/xds/cluster-calm.js';

const NONE = Number.POSITIVE_INFINITY;

/** What a cluster without limits has. */
export const UNLIMITED: LimitsConfig = {
  connections: NONE,
  pending: NONE,
  requests: NONE,
  retries: NONE,
  retryBudgetPercent: 20,
  retryBudgetMinimum: 3,
  perEndpointConnections: NONE,
  perEndpointRequests: NONE,
};

/** A limit that a request has met; the names are those of `spec.limits`. */
export type LimitName =
  | 'connections'
  | 'pending'
  | 'requests'
  | 'perEndpointConnections'
  | 'perEndpointRequests';

/** In words, for the person who reads the answer. */
const LIMIT_WORDS: Readonly<Record<LimitName, string>> = {
  connections: 'connections',
  pending: 'requests waiting for a connection',
  requests: 'requests in flight',
  perEndpointConnections: 'connections to the endpoint',
  perEndpointRequests: 'requests in flight at the endpoint',
};

/**
 * What a cluster's endpoints have in hand together, and how much they may. Plain numbers that every request
 * touches: nothing is ever queued here, what is over a limit is refused at once.
 */
export class ClusterLoad {
  limits = UNLIMITED;
  /** Attempts in flight. */
  requests = 0;
  /** Attempts ever. */
  total = 0;
  /** Connections open, those being made included. */
  connections = 0;
  /** Attempts whose connection is being made. */
  pending = 0;
  /** Requests whose last attempt was a retry and is not answered yet. */
  retries = 0;
  /** Attempts refused, by the limit that they met. */
  readonly shed: Record<LimitName, number> = {
    connections: 0,
    pending: 0,
    requests: 0,
    perEndpointConnections: 0,
    perEndpointRequests: 0,
  };
  /** Retries that the budget did not allow. */
  retriesRefused = 0;

  /**
   * @param closeOneIdle closes a connection of the cluster that nobody uses; false: there is none
   * @param onFirstUse something is sent there that never was before
   */
  constructor(
    private readonly closeOneIdle: () => boolean = () => false,
    private readonly onFirstUse: () => void = () => {},
  ) {}

  /** An attempt begins. */
  begin(): void {
    this.requests++;
    if (this.total++ === 0) this.onFirstUse();
  }

  /** Counts a refusal. @returns the limit, for the caller to hand on */
  refuse(limit: LimitName): LimitName {
    this.shed[limit]++;
    return limit;
  }

  /** One more connection may be opened, if need be in place of one that nobody uses. */
  hasRoomForConnection(): boolean {
    return this.connections < this.limits.connections || this.closeOneIdle();
  }

  /**
   * Takes a retry out of the budget: a share of the requests in flight, and always a few. Given back with
   * {@link endRetry} when it has been answered.
   */
  startRetry(): boolean {
    const { retries, retryBudgetPercent, retryBudgetMinimum } = this.limits;
    const budget = Math.max(retryBudgetMinimum, Math.floor((this.requests * retryBudgetPercent) / 100));
    if (this.retries >= Math.min(retries, budget)) {
      this.retriesRefused++;
      return false;
    }
    this.retries++;
    return true;
  }

  endRetry(): void {
    this.retries--;
  }

  /** `100 requests in flight, the limit`. */
  describe(limit: LimitName): string {
    return `${this.limits[limit]} ${LIMIT_WORDS[limit]}, the limit`;
  }
}
