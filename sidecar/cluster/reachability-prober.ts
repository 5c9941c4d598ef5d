import type { Dialled } from '../tls/dial.js';
import type { UpstreamEndpoint } from './upstream-endpoint.js';

/**
 * Finds out whether an endpoint takes connections.
 *
 * @param asksApp the sidecar there is to say whether its app does
 * @param done told once: undefined where it does, else why not
 */
export type ReachabilityProbe = (
  endpoint: Dialled,
  asksApp: boolean,
  timeoutMs: number,
  done: (failure: string | undefined) => void,
) => void;

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
/** For apps that refuse behind a sidecar that lives: they are being started, and the question costs little. */
const MAX_APP_DELAY_MS = 2000;

/**
 * Tries to connect to endpoints that have become unreachable, less and less often, until one answers or leaves
 * the configuration. No request has to be the one that finds out.
 */
export class ReachabilityProber {
  private readonly timers = new Map<UpstreamEndpoint, NodeJS.Timeout>();
  private readonly underWay = new Set<UpstreamEndpoint>();

  constructor(private readonly reach: ReachabilityProbe) {}

  /** Tells the prober that an endpoint has become unreachable or reachable. */
  watch(endpoint: UpstreamEndpoint): void {
    if (!endpoint.isUnreachable) this.forget(endpoint);
    else if (!this.timers.has(endpoint)) this.schedule(endpoint, FIRST_DELAY_MS);
  }

  /** Another sidecar has reached it: finds out at once whether this one does, where it has not asked just now. */
  hurry(endpoint: UpstreamEndpoint): void {
    if (!this.timers.has(endpoint) || this.underWay.has(endpoint)) return;
    clearTimeout(this.timers.get(endpoint));
    this.probe(endpoint, FIRST_DELAY_MS);
  }

  /** Asks an endpoint that other sidecars cannot use, whatever this one makes of it. @param done told once */
  ask(endpoint: UpstreamEndpoint, appRefuses: boolean, done: (isReached: boolean) => void): void {
    this.reach(endpoint, appRefuses, endpoint.connectTimeoutMs, (failure) => done(failure === undefined));
  }

  close(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  private schedule(endpoint: UpstreamEndpoint, delayMs: number): void {
    // Many sidecars lose the same endpoint at once; they should not all come back to it at once.
    const jittered = delayMs * (0.8 + 0.4 * Math.random());
    this.timers.set(endpoint, setTimeout(() => this.probe(endpoint, delayMs), jittered).unref());
  }

  private probe(endpoint: UpstreamEndpoint, delayMs: number): void {
    if (endpoint.isRetired) {
      this.forget(endpoint);
      return;
    }
    const { appRefuses } = endpoint;
    this.underWay.add(endpoint);
    this.ask(endpoint, appRefuses, (isReached) => {
      this.underWay.delete(endpoint);
      if (!this.timers.has(endpoint)) return;
      if (!isReached)
        this.schedule(endpoint, Math.min(delayMs * 2, appRefuses ? MAX_APP_DELAY_MS : MAX_DELAY_MS));
      else if (appRefuses) endpoint.onAppAnswered();
      else endpoint.reached();
    });
  }

  private forget(endpoint: UpstreamEndpoint): void {
    clearTimeout(this.timers.get(endpoint));
    this.timers.delete(endpoint);
  }
}
