import type { Endpoint } from '../../src/routing/endpoint-set.js';
import type { RetryConfig } from '../../src/xds/retry.js';
import type { ClusterLoad } from '../cluster/cluster-load.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { AttemptTarget } from '../exchange/forwarder.js';
import { isServerError, type Outcome } from '../exchange/outcome.js';

/** The attempts of one request: which endpoints were asked, what load reports learn of each, and the retry budget. */
export class Attempts {
  /** Endpoints that were asked, each once. */
  readonly tried: Endpoint[] = [];
  /** The endpoint of the present attempt; undefined: nothing is sent anywhere. */
  endpoint: UpstreamEndpoint | undefined;
  /** Attempts that the route's policy added, after one that had reached an upstream and failed there. */
  retries = 0;
  /** When the present attempt began, of `performance.now()`. */
  private beganAt = 0;
  /** Whose budget the present retry is taken from. */
  private retrying: ClusterLoad | undefined;

  /** @param now of `performance.now()` */
  begin(now: number): void {
    this.beganAt = now;
  }

  /** One more attempt. The one before has failed, unless it only found a pooled connection closed. */
  to(endpoint: UpstreamEndpoint, { fresh = false, delayMs = 0 } = {}): AttemptTarget {
    if (this.endpoint !== undefined) this.settleFailed(this.endpoint, fresh);
    this.endpoint = endpoint;
    if (!this.tried.includes(endpoint)) this.tried.push(endpoint);
    return { endpoint, delayMs, fresh };
  }

  /** The endpoint of the present attempt was not sent anything. */
  notSent(): void {
    this.endpoint = undefined;
  }

  /** Takes a retry from the cluster's budget. @returns whether the policy and the budget allow one */
  takeRetry({ retries }: RetryConfig): boolean {
    if (this.retries >= retries) return false;
    this.endRetry();
    const load = this.endpoint?.load;
    if (load?.startRetry() !== true) return false;
    this.retrying = load;
    this.retries++;
    return true;
  }

  /** The retry, if this is one, has been answered: the budget has room for another. */
  endRetry(): void {
    this.retrying?.endRetry();
    this.retrying = undefined;
  }

  private settleFailed({ traffic }: UpstreamEndpoint, stale: boolean): void {
    const now = performance.now();
    if (!stale) {
      traffic.failed++;
      traffic.latencySumMs += now - this.beganAt;
    }
    this.beganAt = now;
  }

  /** The exchange is over, and with it the last attempt. @param now of `performance.now()` */
  settleLast(outcome: Outcome, now: number): void {
    const { error, cutOff } = outcome;
    // An answer that the client did not wait for says nothing; and what is over a limit was never sent.
    if (this.endpoint === undefined || cutOff === 'client' || cutOff === 'sidecar') return;
    if (error?.code === 'overloaded') return;
    const { traffic } = this.endpoint;
    if (isServerError(outcome) || cutOff !== '') traffic.failed++;
    else traffic.succeeded++;
    traffic.latencySumMs += now - this.beganAt;
  }
}
