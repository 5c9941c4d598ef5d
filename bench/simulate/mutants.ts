import { type Placement, place } from '../../src/routing/decide.js';
import type { Affinity, Route } from '../../src/routing/table.js';
import type { Decide } from './traffic/send.js';

/**
 * Decisions that are wrong in one respect, to be put in the place of the production one: a simulation that does
 * not notice each of them proves nothing. What each breaks is the paragraph of SEMANTICS named beside it.
 */
export const MUTANTS: Readonly<Record<string, { readonly breaks: string; readonly decide: Decide }>> = {
  'slots-of-9999': {
    breaks: 'S2: the number of slots never changes',
    decide: (host, route, ...rest) =>
      place(host, { ...route, split: { ...route.split, total: 9_999 } }, ...rest),
  },
  'drained-admits': {
    breaks: 'S2: no new session goes to a drained release',
    decide: (host, route, ...rest) => place(host, withEqualSlots(route), ...rest),
  },
  'rare-flip': {
    breaks: 'S4: one request in 5,000 is placed as if its session had another slot',
    decide: (host, route, request, context, without) => {
      const { split } = route;
      if (context.random() >= 1 / 5_000) return place(host, route, request, context, without);
      const releases = [...split.releases].reverse();
      return place(host, { ...route, split: { ...split, releases } }, request, context, without);
    },
  },
  'biased-chance': {
    breaks: 'S4.2 none: every release with the chance of its weight',
    decide: (host, route, request, context, without) =>
      place(
        host,
        route,
        request,
        withRandom(context, () => context.random() ** 1.2),
        without,
      ),
  },
  'chance-again': {
    breaks: 'S4: evaluated once per request, retries inside it',
    decide: (host, route, request, context, without = []) => {
      const placed = place(host, route, request, context, without);
      const drawn = placed.endpoint !== undefined && placed.failedOverFrom ? without.at(-1) : undefined;
      if (drawn === undefined || route.affinity?.version !== 'none') return placed;
      const other = place(host, route, request, context);
      return other.endpoint === undefined || without.includes(other.release) ? placed : other;
    },
  },
  'no-table': {
    breaks: 'S6: the session table',
    decide: (host, route, request, context, without) =>
      place(
        host,
        route,
        request,
        withFindPin(context, () => undefined),
        without,
      ),
  },
  'labels-unpinned': {
    breaks: 'S4.1: a label keeps its session on its release',
    decide: after((placed) => (placed.releaseReason === 'named' ? { ...placed, pinTo: undefined } : placed)),
  },
  'always-cookie': {
    breaks: 'S6: a cookie is issued when it is new, changed or half over, never otherwise',
    decide: after((placed) => ({
      ...placed,
      pinTo: placed.pinTo ?? { release: placed.release.digest, label: false },
    })),
  },
  'repin-at-once': {
    breaks: 'S4.5: a pinned session is re-pinned only after failoverRepin',
    decide: withAffinity({ failoverRepinMs: 0 }),
  },
  'failover-any': {
    breaks: 'S4.5: 503 where stable has no usable endpoint, unless failover: any',
    decide: withAffinity({ failoverAny: true }),
  },
  'canary-without-stable': {
    breaks: 'S4.5, case 19: a split without its stable release is down as a whole',
    decide: (host, route, ...rest) => {
      const placed = place(host, route, ...rest);
      if (placed.endpoint !== undefined) return placed;
      const other = withAffinity({ failoverAny: true })(host, route, ...rest);
      return other.endpoint === undefined || other.failedOverFrom ? placed : other;
    },
  },
  'lanes-ignored': { breaks: 'S8: lanes', decide: withAffinity({ followLanes: false }) },
  'session-first': {
    breaks: 'S4.3: precedence split',
    decide: withAffinity({ sessionFirst: true }),
  },
  'next-endpoint': {
    breaks: 'S5: one session in 16 gets the endpoint after its own',
    decide: after((placed) => {
      const { endpoints } = placed.release.cluster.endpoints;
      if (placed.endpointReason !== 'hash' || (placed.session?.hash ?? 1n) % 16n !== 0n) return placed;
      const next = (endpoints.indexOf(placed.endpoint) + 1) % endpoints.length;
      return { ...placed, endpoint: endpoints[next] ?? placed.endpoint };
    }),
  },
  'unpinned-endpoints': {
    breaks: 'S5: persistent endpoints',
    decide: withAffinity({ endpoint: 'balanced' }),
  },
};

/** The decision on a route whose affinity differs, where it has one. */
function withAffinity(changes: Partial<Affinity>): Decide {
  return (host, route, ...rest) => {
    if (route.affinity === undefined) return place(host, route, ...rest);
    return place(host, { ...route, affinity: { ...route.affinity, ...changes } }, ...rest);
  };
}

/** The decision with something done to what it decided. */
function after(change: (placed: Placement) => Placement): Decide {
  return (...question) => {
    const placed = place(...question);
    return placed.endpoint === undefined ? placed : change(placed);
  };
}

function withEqualSlots(route: Route): Route {
  const { releases, total } = route.split;
  const ends = releases.map((_, i) => Math.round(((i + 1) * total) / releases.length));
  return { ...route, split: { ...route.split, ends } };
}

type Context = Parameters<Decide>[3];

function withRandom(context: Context, random: () => number): Context {
  return { nowMs: context.nowMs, random, findPin: (...of) => context.findPin(...of) };
}

function withFindPin(context: Context, findPin: Context['findPin']): Context {
  return { nowMs: context.nowMs, random: () => context.random(), findPin };
}
