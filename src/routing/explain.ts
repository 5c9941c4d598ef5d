import { utf8Text } from '../http/byte-text.js';
import type { KeySourceConfig } from '../xds/hash-policy.js';
import { describeActions, type RedirectAnswer } from './actions.js';
import { type DecisionContext, findRoute, type NoEndpoint, type Placement, place } from './decide.js';
import { type Pin, releaseDigest } from './pins.js';
import type { Release } from './release.js';
import type { RequestView } from './request-view.js';
import type { SessionKey } from './session-key.js';
import type { Affinity, Route, VirtualHost } from './table.js';

/** A decision, step by step, for people: what was decided, and why. Plain data, made to be printed. */
export interface Explanation {
  readonly service: string;
  /** `abort` and `redirect` need no endpoint: the sidecar answers. */
  readonly outcome: 'forward' | 'no-route' | 'no-endpoint' | 'redirect' | 'abort';
  readonly route?: { readonly name: string; readonly why: string; readonly passedOver: readonly string[] };
  /** What the route does besides sending the request somewhere. */
  readonly actions?: readonly string[];
  readonly redirect?: { readonly status: number; readonly location: string };
  /** The status of a fault that befalls every request. */
  readonly abort?: { readonly status: number };
  readonly session?: {
    /** `header x-user-id`, `cookie roost-checkout` … */
    readonly source: string;
    /** 16 hexadecimal digits. */
    readonly hash: string;
    /** What the hash is salted with; `auto:REVISION` is the sample of the rollout that began at that revision. */
    readonly salt?: string;
    /** The key was made for this request; the response sets the cookie. */
    readonly minted: boolean;
  };
  readonly slot?: {
    readonly number: number;
    readonly of: number;
    readonly owner: string;
    readonly range: string;
  };
  readonly pin?: {
    readonly kind: 'label' | 'session';
    /** Where it comes from: the request's cookie, or what sidecars share. */
    readonly from: 'cookie' | 'shared';
    readonly release: string;
    readonly endpoint: string;
  };
  readonly release?: { readonly name: string; readonly why: string; readonly failedOverFrom?: string };
  readonly endpoint?: { readonly address: string; readonly why: string };
  /** What the session is pinned to once the endpoint has answered. */
  readonly newPin?: string;
}

/** Explains one request on one virtual host, by making the decision. */
export function explainDecision(
  host: VirtualHost,
  request: RequestView,
  context: DecisionContext,
): Explanation {
  const service = host.service.label;
  const route = findRoute(host, request, context.random);
  if (route === undefined) return { service, outcome: 'no-route' };
  const answered = explainAnswer(host, route, request);
  if (answered !== undefined) return answered;
  const placed = place(host, route, request, context);
  const session = placed.endpoint === undefined ? route.affinity?.keys.find(request) : placed.session;
  const base = {
    service,
    route: explainRoute(host, route),
    ...explainActions(route),
    ...explainSession(route, session),
  };
  if (placed.endpoint === undefined)
    return { ...base, outcome: 'no-endpoint', release: explainMissing(host, placed) };
  return { ...base, outcome: 'forward', ...explainPlacement(host, placed) };
}

/** Where the sidecar answers every such request itself. */
function explainAnswer(host: VirtualHost, route: Route, request: RequestView): Explanation | undefined {
  const base = { service: host.service.label, route: explainRoute(host, route), ...explainActions(route) };
  const { fault, redirect } = route.actions ?? {};
  if (fault !== undefined && fault.abortStatus !== 0 && fault.abortFraction === 1)
    return { ...base, outcome: 'abort', abort: { status: fault.abortStatus } };
  if (redirect === undefined) return undefined;
  const { status, location }: RedirectAnswer = redirect(request, host.service.label);
  return { ...base, outcome: 'redirect', redirect: { status, location } };
}

function explainActions({ actions }: Route): Pick<Explanation, 'actions'> {
  const described = actions === undefined ? [] : describeActions(actions);
  return described.length === 0 ? {} : { actions: described };
}

function explainRoute(host: VirtualHost, route: Route) {
  const before = host.routes.slice(0, host.routes.indexOf(route)).map(({ name }) => name);
  return {
    name: route.name,
    why: route.condition === undefined ? 'it takes every request' : 'its conditions hold',
    passedOver: [...new Set(before)].filter((name) => name !== route.name),
  };
}

function explainSession(
  route: Route,
  session: SessionKey | undefined,
): Pick<Explanation, 'session' | 'slot'> {
  if (session === undefined) return {};
  const { releases, ends, total } = route.split;
  const salt = route.affinity?.salt ?? '';
  const number = Number(session.hash % BigInt(total));
  const index = ends.findIndex((end) => number < end);
  return {
    session: {
      source: describeSource(session.source),
      hash: session.hash.toString(16).padStart(16, '0'),
      ...(salt === '' ? {} : { salt }),
      minted: session.cookie?.minted === true,
    },
    ...(releases.length < 2
      ? {}
      : {
          slot: {
            number,
            of: total,
            owner: releases[index]?.name ?? '',
            range: `${ends[index - 1] ?? 0}–${(ends[index] as number) - 1}`,
          },
        }),
  };
}

export function describeSource(source: KeySourceConfig): string {
  switch (source.kind) {
    case 'cookie':
      return `cookie ${source.cookie.name}`;
    case 'source-ip':
      return 'source address';
    case 'source-identity':
      return 'source identity';
    default:
      return `${source.kind === 'query' ? 'query parameter' : source.kind === 'baggage' ? 'baggage member' : 'header'} ${utf8Text(source.name)}`;
  }
}

function explainPlacement(host: VirtualHost, placed: Placement): Partial<Explanation> {
  const { affinity } = placed.route;
  return {
    ...(placed.pin && affinity
      ? {
          pin: {
            from: placed.session?.cookie ? ('cookie' as const) : ('shared' as const),
            ...explainPin(placed.pin, host, affinity),
          },
        }
      : {}),
    release: {
      name: placed.release.name,
      why: RELEASE_REASONS[placed.releaseReason],
      ...(placed.failedOverFrom ? { failedOverFrom: placed.failedOverFrom.name } : {}),
    },
    endpoint: { address: placed.endpoint.address, why: endpointReason(placed) },
    ...(placed.pinTo ? { newPin: describeNewPin(placed, affinity) } : {}),
  };
}

const RELEASE_REASONS: Readonly<Record<Placement['releaseReason'], string>> = {
  named: 'the route lists no other',
  lane: 'the request is in its lane',
  pin: 'the session is pinned there',
  slot: "the session's slot belongs to it",
  random: 'by chance, in proportion to the weights: the request belongs to no session that sticks',
  failover: 'the release that was right has no usable endpoint',
};

function endpointReason({ endpointReason: reason, release }: Placement): string {
  const { kind } = release.cluster.endpoints;
  if (reason === 'pin') return 'the session is pinned there';
  return reason === 'hash' ? `by the session's hash (${kind})` : `by the load balancer (${kind})`;
}

function explainPin(pin: Pin, host: VirtualHost, affinity: Affinity) {
  const { releases } = host.service;
  const named = releases.find((release) => releaseDigest(release, pin.label) === pin.release);
  const owner = releases.find((release) => endpointOf(release, pin, affinity) !== undefined);
  const address = owner && endpointOf(owner, pin, affinity);
  return {
    kind: pin.label ? ('label' as const) : ('session' as const),
    release: pin.release === 0 ? 'none' : (named?.name ?? 'one that is gone'),
    endpoint: address === undefined ? 'one that is gone' : `${address} (now of ${owner?.name})`,
  };
}

function endpointOf({ cluster }: Release, pin: Pin, affinity: Affinity): string | undefined {
  const index = cluster.endpoints.findByDigest(pin.endpoint, affinity.digests);
  return index === -1 ? undefined : cluster.endpoints.at(index).address;
}

function describeNewPin(
  { pinTo, release, endpoint, session }: Placement,
  affinity: Affinity | undefined,
): string {
  const what =
    pinTo?.release === 0 ? `endpoint ${endpoint.address}` : `${release.name}, endpoint ${endpoint.address}`;
  if (pinTo?.onceLost !== undefined)
    return `${what}, once other sidecars agree that ${pinTo.onceLost.address} is lost`;
  if (session !== undefined) return what;
  const cookies = affinity?.keys.appCookies.map(({ name }) => name).join(' or ');
  return `${what}, if the response sets the cookie ${cookies}`;
}

function explainMissing(host: VirtualHost, { release }: NoEndpoint) {
  const { stable } = host.service;
  const why =
    release.cluster.endpoints.usableCount > 0
      ? `it would be right, but the stable release, ${stable?.name}, has no usable endpoint`
      : 'it would be right, but neither it nor the stable release has a usable endpoint';
  return { name: release.name, why };
}
