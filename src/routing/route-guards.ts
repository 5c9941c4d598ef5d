import { utf8Bytes } from '../http/byte-text.js';
import { HASH_SEED, type HeaderName, hashStep, headerName } from '../http/header-name.js';
import type { RouteMatchConfig } from '../xds/route-match.js';
import { type Condition, matchesEveryPath, SLASH } from './match.js';
import type { RequestView } from './request-view.js';

/** What counts of a route here. */
interface Conditional {
  /** Undefined: every request. */
  readonly condition: Condition | undefined;
}

/** One text that a route's condition needs, at the start of the path or as the value of a header. */
interface Comparison {
  /** Undefined: the path. */
  readonly header: HeaderName | undefined;
  readonly text: string;
  readonly form: Form;
}

/** The text alone, the text with anything after it, or the text with nothing or further segments after it. */
type Form = typeof EXACT | typeof PREFIX | typeof SEGMENT_PREFIX;
const EXACT = 0;
const PREFIX = 1;
const SEGMENT_PREFIX = 2;
const PATH_FORMS = { exact: EXACT, prefix: PREFIX, 'segment-prefix': SEGMENT_PREFIX } as const;

/** Fewer routes are sooner looked at one by one. */
const FEWEST_ROUTES = 4;
/** Per route: what is compared and the text's length, the text's hash, where its proof is. */
const STRIDE = 3;
const NOTHING = -1;
/** What is compared: the path, or the header of the number above that. */
const PATH = 0;
const SUBJECT_SHIFT = 16;
const LENGTH_MASK = 0xffff;
/** Paths are hashed no further than this; longer prefixes are no guards. */
const LONGEST_PREFIX = 256;

/** Headers that are looked at, in the order in which routes ask for them; the routes of others have no guard. */
const MOST_HEADERS = 64;

/** Hashes of the present path's first 0, 1, 2 … characters. One decision at a time: shared by all. */
const prefixHashes = new Int32Array(LONGEST_PREFIX + 1).fill(HASH_SEED, 0, 1);
/** Of the present values of the headers that are looked at, likewise. */
const headerHashes = new Int32Array(MOST_HEADERS + 1);
const headerLengths = new Int32Array(MOST_HEADERS + 1);

/**
 * Finds the first route whose condition holds, leaving out unseen those whose conditions cannot hold. Of every
 * route one necessary comparison is packed into a few numbers, side by side with the other routes', and behind them
 * the texts of all comparisons where the condition is nothing but these. In a mesh of many services the conditions
 * themselves are in no processor cache, and fetching them is nearly all of the cost.
 */
export class RouteGuards {
  private constructor(
    private readonly packed: Int32Array,
    private readonly headers: readonly HeaderName[],
    private readonly routeCount: number,
    private readonly longestPrefix: number,
  ) {}

  /** @returns undefined where it would not pay */
  static of(matches: readonly RouteMatchConfig[]): RouteGuards | undefined {
    const comparisons = matches.map(comparisonsOf);
    const guards = comparisons.map(({ all }) => guardOf(all));
    if (guards.filter((guard) => guard !== undefined).length < FEWEST_ROUTES) return undefined;
    const headers: HeaderName[] = [];
    const subjectOf = ({ header }: Comparison) =>
      header === undefined ? PATH : PATH + 1 + indexIn(headers, header);
    const packed: number[] = new Array(matches.length * STRIDE).fill(NOTHING);
    let longestPrefix = 0;
    guards.forEach((guard, i) => {
      if (guard === undefined) return;
      const subject = subjectOf(guard);
      if (subject > MOST_HEADERS) return;
      if (subject === PATH) longestPrefix = Math.max(longestPrefix, guard.text.length);
      const { all, isWhole } = comparisons[i] as Comparisons;
      const proof = isWhole ? packed.length : NOTHING;
      const what = (subject << SUBJECT_SHIFT) | guard.text.length;
      packed.splice(i * STRIDE, STRIDE, what, hashOf(guard.text), proof);
      if (isWhole) pack(packed, all, subjectOf);
    });
    return new RouteGuards(Int32Array.from(packed), headers, matches.length, longestPrefix);
  }

  /** @param routes those whose matches this was made of, in the same order */
  find<R extends Conditional>(
    routes: readonly R[],
    request: RequestView,
    random: () => number,
  ): R | undefined {
    const { packed } = this;
    const pathLength = request.path.length;
    this.hashPath(request.path);
    this.hashHeaders(request);
    for (let i = 0, at = 0; i < this.routeCount; i++, at += STRIDE) {
      const what = packed[at] as number;
      if (what !== NOTHING) {
        const subject = what >> SUBJECT_SHIFT;
        const length = what & LENGTH_MASK;
        if (subject === PATH ? length > pathLength : headerLengths[subject] !== length) continue;
        if ((subject === PATH ? prefixHashes[length] : headerHashes[subject]) !== packed[at + 1]) continue;
      }
      const proof = packed[at + 2] as number;
      if (proof === NOTHING ? holds(routes[i] as R, request, random) : this.proves(proof, request))
        return routes[i];
    }
    return undefined;
  }

  /** Whether each comparison holds that is packed from here. */
  private proves(proof: number, request: RequestView): boolean {
    const { packed } = this;
    let at = proof + 1;
    for (let left = packed[proof] as number; left > 0; left--) {
      const subject = packed[at] as number;
      const value = subject === PATH ? request.path : request.header(this.headers[subject - 1] as HeaderName);
      if (value === undefined || !isPackedAt(packed, at + 1, value)) return false;
      at += 3 + (((packed[at + 2] as number) + 1) >> 1);
    }
    return true;
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
    const last = Math.min(this.headers.length, MOST_HEADERS);
    for (let i = PATH + 1; i <= last; i++) {
      const value = request.header(this.headers[i - 1] as HeaderName);
      headerLengths[i] = value === undefined ? NOTHING : value.length;
      // A value longer than any that is asked for is told by its length.
      headerHashes[i] = value === undefined || value.length > LONGEST_PREFIX ? 0 : hashOf(value);
    }
  }
}

function holds({ condition }: Conditional, request: RequestView, random: () => number): boolean {
  return condition === undefined || condition(request, random);
}

function indexIn(headers: HeaderName[], wanted: HeaderName): number {
  const known = headers.findIndex(({ lower }) => lower === wanted.lower);
  return known === -1 ? headers.push(wanted) - 1 : known;
}

/** A count, then of each comparison: its subject, its form, the text's length, and the text, two characters a number. */
function pack(packed: number[], all: readonly Comparison[], subjectOf: (of: Comparison) => number): void {
  packed.push(all.length);
  for (const comparison of all) {
    const { text, form } = comparison;
    packed.push(subjectOf(comparison), form, text.length);
    for (let i = 0; i < text.length; i += 2)
      packed.push(text.charCodeAt(i) | ((i + 1 < text.length ? text.charCodeAt(i + 1) : 0) << 16));
  }
}

/** Whether a value is what is packed from its form on. */
function isPackedAt(packed: Int32Array, at: number, value: string): boolean {
  const form = packed[at];
  const length = packed[at + 1] as number;
  if (form === EXACT ? value.length !== length : value.length < length) return false;
  for (let i = 0; i < length; i++) {
    const pair = packed[at + 2 + (i >> 1)] as number;
    if (((i & 1) === 0 ? pair & 0xffff : pair >>> 16) !== value.charCodeAt(i)) return false;
  }
  return form !== SEGMENT_PREFIX || value.length === length || value.charCodeAt(length) === SLASH;
}

interface Comparisons {
  readonly all: readonly Comparison[];
  /** The condition holds where they do. */
  readonly isWhole: boolean;
}

/** What a condition needs at least, headers first. */
function comparisonsOf({ path, headers, query, cookies, fraction }: RouteMatchConfig): Comparisons {
  const all: Comparison[] = [];
  for (const { name, match, invert } of headers) {
    // Names that start with a colon are the request line's, not a header's.
    if (match.kind !== 'exact' || match.ignoreCase || invert || name.startsWith(':')) continue;
    if (match.value !== '') all.push({ header: headerName(name), text: utf8Bytes(match.value), form: EXACT });
  }
  const isWhole = all.length === headers.length && query.length + cookies.length === 0 && fraction >= 1;
  if (matchesEveryPath(path)) return { all, isWhole };
  // A path with percent-encoding has several spellings.
  if (path.kind === 'regex' || path.ignoreCase || path.value.includes('%')) return { all, isWhole: false };
  return { all: [...all, { header: undefined, text: path.value, form: PATH_FORMS[path.kind] }], isWhole };
}

/** The comparison that most likely fails for requests of other routes: of a header, where there is one. */
function guardOf(all: readonly Comparison[]): Comparison | undefined {
  return all.find(({ text }) => text.length > 0 && text.length <= LONGEST_PREFIX);
}

function hashOf(text: string): number {
  let hash = HASH_SEED;
  for (let i = 0; i < text.length; i++) hash = hashStep(hash, text.charCodeAt(i));
  return hash;
}
