import { HASH_SEED, type HeaderName, hashStep, headerName } from '../http/header-name.js';
import type { RouteMatchConfig } from '../xds/route-match.js';
import type { RequestView } from './request-view.js';
import type { Route } from './table.js';

/** What a route's condition needs at least: this text at the path's start, or as the value of a header. */
interface Guard {
  /** Undefined: the path. */
  readonly header: HeaderName | undefined;
  readonly text: string;
}

/** Fewer routes are sooner looked at one by one. */
const FEWEST_ROUTES = 4;
/** Per route: what is compared (see below), the text's length, the text's hash. */
const STRIDE = 3;
const NOTHING = -1;
const PATH = -2;
/** Paths are hashed no further than this; longer prefixes are no guards. */
const LONGEST_PREFIX = 256;

/** Headers that are looked at, in the order in which routes ask for them; the routes of others have no guard. */
const MOST_HEADERS = 64;

/** Hashes of the present path's first 0, 1, 2 … characters. One decision at a time: shared by all. */
const prefixHashes = new Int32Array(LONGEST_PREFIX + 1).fill(HASH_SEED, 0, 1);
/** Of the present values of the headers that are looked at, likewise. */
const headerHashes = new Int32Array(MOST_HEADERS);
const headerLengths = new Int32Array(MOST_HEADERS);

/**
 * Finds the first route whose condition holds, leaving out unseen those whose conditions cannot hold. Of every
 * route one necessary comparison is packed into three numbers, side by side with the other routes': in a mesh of
 * many services the conditions themselves are in no processor cache, and fetching them is nearly all of the cost.
 */
export class RouteGuards {
  private constructor(
    private readonly packed: Int32Array,
    private readonly headers: readonly HeaderName[],
    private readonly longestPrefix: number,
  ) {}

  /** @returns undefined where it would not pay */
  static of(matches: readonly RouteMatchConfig[]): RouteGuards | undefined {
    const guards = matches.map(guardOf);
    if (guards.filter((guard) => guard !== undefined).length < FEWEST_ROUTES) return undefined;
    const headers: HeaderName[] = [];
    const indexOf = (wanted: HeaderName) => {
      const known = headers.findIndex(({ lower }) => lower === wanted.lower);
      return known === -1 ? headers.push(wanted) - 1 : known;
    };
    const packed = new Int32Array(guards.length * STRIDE).fill(NOTHING);
    let longestPrefix = 0;
    guards.forEach((guard, i) => {
      if (guard === undefined) return;
      const subject = guard.header === undefined ? PATH : indexOf(guard.header);
      if (subject >= MOST_HEADERS) return;
      packed.set([subject, guard.text.length, hashOf(guard.text)], i * STRIDE);
      if (subject === PATH) longestPrefix = Math.max(longestPrefix, guard.text.length);
    });
    return new RouteGuards(packed, headers.slice(0, MOST_HEADERS), longestPrefix);
  }

  /** @param routes those whose matches this was made of, in the same order */
  find(routes: readonly Route[], request: RequestView, random: () => number): Route | undefined {
    const { packed } = this;
    const pathLength = request.path.length;
    this.hashPath(request.path);
    this.hashHeaders(request);
    for (let at = 0, i = 0; at < packed.length; at += STRIDE, i++) {
      const subject = packed[at] as number;
      const length = packed[at + 1] as number;
      if (subject === PATH) {
        if (length > pathLength || prefixHashes[length] !== packed[at + 2]) continue;
      } else if (subject !== NOTHING) {
        if (headerLengths[subject] !== length || headerHashes[subject] !== packed[at + 2]) continue;
      }
      const route = routes[i] as Route;
      if (route.condition === undefined || route.condition(request, random)) return route;
    }
    return undefined;
  }

  private hashPath(path: string): void {
    const end = Math.min(path.length, this.longestPrefix);
    let hash = HASH_SEED;
    for (let i = 0; i < end; i++) {
      hash = hashStep(hash, path.charCodeAt(i));
      prefixHashes[i + 1] = hash;
    }
  }

  private hashHeaders(request: RequestView): void {
    for (let i = 0; i < this.headers.length; i++) {
      const value = request.header(this.headers[i] as HeaderName);
      headerLengths[i] = value === undefined ? NOTHING : value.length;
      // A value longer than any that is asked for is told by its length.
      headerHashes[i] = value === undefined || value.length > LONGEST_PREFIX ? 0 : hashOf(value);
    }
  }
}

/** The comparison of a route that most likely fails for requests of other routes. */
function guardOf({ path, headers }: RouteMatchConfig): Guard | undefined {
  for (const { name, match, invert } of headers) {
    // Names that start with a colon are the request line's, not a header's.
    if (match.kind !== 'exact' || match.ignoreCase || invert || name.startsWith(':')) continue;
    if (match.value !== '' && match.value.length <= LONGEST_PREFIX)
      return { header: headerName(name), text: match.value };
  }
  if (path.kind === 'regex' || path.ignoreCase) return undefined;
  const isLong = path.value.length > 1 && path.value.length <= LONGEST_PREFIX;
  return isLong ? { header: undefined, text: path.value } : undefined;
}

function hashOf(text: string): number {
  let hash = HASH_SEED;
  for (let i = 0; i < text.length; i++) hash = hashStep(hash, text.charCodeAt(i));
  return hash;
}
