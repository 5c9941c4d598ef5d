import {
  type Endpoint,
  type EndpointSet,
  PINNED_ONLY,
  USABLE,
  type Usability,
} from '../../src/routing/endpoint-set.js';
import { slowStartShare } from './slow-start.js';
import { UpstreamEndpoint } from './upstream-endpoint.js';

/** Growing weights are brought up to date this often. */
const RAMP_STEP_MS = 250;

/** What a cluster's endpoints are judged by, besides what is known of each. */
export interface Judgement {
  /** With a smaller share of usable endpoints, in percent, checks and ejections do not count. */
  readonly panicThreshold: number;
  /** For how long the weight of an endpoint that has just come grows; 0: it has all of it at once. */
  readonly slowStartMs: number;
  /** Coarse clock. */
  readonly nowMs: number;
}

/** A cluster's endpoints as decisions see them until something about one changes. */
export interface ClusterView {
  readonly endpoints: EndpointSet;
  /** With no endpoint usable: those that are when checks and ejections do not count; undefined: none. */
  readonly lastResort: EndpointSet | undefined;
  /** Too few endpoints are usable: checks and ejections do not count. */
  readonly panicking: boolean;
  /** When weights that grow are looked at again; Infinity: none grows. */
  readonly nextRampMs: number;
}

/**
 * @param base the endpoints, and the tables made of them; their usability and weights are looked up here
 * @param upstreams the same endpoints
 */
export function viewOf(
  base: EndpointSet,
  upstreams: Iterable<UpstreamEndpoint>,
  judgement: Judgement,
): ClusterView {
  const all = [...upstreams];
  const { weightOf, nextRampMs } = growingWeights(all, judgement);
  const panicking = hasTooFewUsable(all, judgement.panicThreshold);
  const calm = base.withUsability(
    usabilityBy(all, ({ usability }) => usability),
    weightOf,
  );
  const panicked = panicking
    ? base.withUsability(
        usabilityBy(all, ({ usabilityInPanic }) => usabilityInPanic),
        weightOf,
      )
    : undefined;
  // With no usable endpoint left, the release fails over (S4.5); only who has nowhere to go gets the others.
  const isLost = calm.usableCount === 0;
  return {
    endpoints: isLost ? calm : (panicked ?? calm),
    lastResort: isLost && panicked !== undefined && panicked.usableCount > 0 ? panicked : undefined,
    panicking,
    nextRampMs,
  };
}

/** Endpoint sets of the sidecar hold its own endpoints only. */
export function upstreamOf(endpoint: Endpoint): UpstreamEndpoint {
  if (!(endpoint instanceof UpstreamEndpoint))
    throw new TypeError(`${endpoint.address} is no endpoint of this sidecar`);
  return endpoint;
}

/** Degraded endpoints keep their sessions, and get new requests where no better one can take them. */
function usabilityBy(
  all: readonly UpstreamEndpoint[],
  read: (endpoint: UpstreamEndpoint) => Usability,
): (endpoint: Endpoint) => Usability {
  const isGood = (endpoint: UpstreamEndpoint) => endpoint.status !== 'degraded' && read(endpoint) === USABLE;
  const hasBetter = all.some(isGood);
  return (endpoint) => {
    const upstream = upstreamOf(endpoint);
    const usability = read(upstream);
    return hasBetter && usability === USABLE && !isGood(upstream) ? PINNED_ONLY : usability;
  };
}

/** Endpoints on their way out count neither way. */
function hasTooFewUsable(all: readonly UpstreamEndpoint[], panicThreshold: number): boolean {
  let counted = 0;
  let usable = 0;
  for (const endpoint of all) {
    if (endpoint.status === 'draining' || endpoint.isLeaving) continue;
    counted++;
    if (endpoint.usability === USABLE) usable++;
  }
  return usable * 100 < panicThreshold * counted;
}

/** Weights for picks by load: an endpoint that has just come starts slowly. */
function growingWeights(all: readonly UpstreamEndpoint[], { slowStartMs, nowMs }: Judgement) {
  if (slowStartMs === 0) return { weightOf: undefined, nextRampMs: Number.POSITIVE_INFINITY };
  const grows = all.some(({ usableSinceMs }) => nowMs - usableSinceMs < slowStartMs);
  return {
    weightOf: (endpoint: Endpoint) =>
      endpoint.weight * slowStartShare(nowMs - upstreamOf(endpoint).usableSinceMs, slowStartMs),
    nextRampMs: grows ? nowMs + RAMP_STEP_MS : Number.POSITIVE_INFINITY,
  };
}
