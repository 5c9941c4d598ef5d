import { encodeBaggageValue, readBaggage } from '../../src/http/baggage.js';
import { formatCookie, readCookie } from '../../src/http/cookies.js';
import { type HeaderName, headerName } from '../../src/http/header-name.js';
import { encodeParameter, readParameter } from '../../src/http/query.js';
import { traceIdOf } from '../../src/http/trace-context.js';
import { LANE_MEMBER } from '../../src/routing/decide.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { KeySourceConfig } from '../../src/xds/hash-policy.js';
import { collectKeys, formatKeys, MAX_VALUE_LENGTH, type TraceKey } from './trace-keys.js';
import type { TraceEntry, TraceStore } from './trace-store.js';

const TRACEPARENT = headerName('traceparent');
const BAGGAGE = headerName('baggage');
const COOKIE = headerName('cookie');

/**
 * S8: an app that passes on nothing but `traceparent` keeps its lane and its session. The inbound side of a sidecar
 * remembers what a trace id arrived with; the outbound side of the same sidecar looks the trace id up.
 */
export class TraceMemory {
  constructor(
    private readonly store: TraceStore,
    private readonly nowMs: () => number,
  ) {}

  /** @param sources every source that some service takes session keys from */
  remember(request: RequestView, sources: readonly KeySourceConfig[]): void {
    const traceId = traceIdOf(request.header(TRACEPARENT));
    if (traceId === undefined) return;
    const baggage = request.header(BAGGAGE) ?? '';
    const lane = readBaggage(baggage, LANE_MEMBER) ?? '';
    const keys = collectKeys(request, sources, baggage);
    if (lane === '' && keys.length === 0) return;
    const entry = { lane: lane.slice(0, MAX_VALUE_LENGTH), keys };
    this.store.set(traceId, entry, this.nowMs(), request.sourceIp);
  }

  /** What the request's trace arrived with, if that is known and less than a minute ago. */
  find(request: RequestView): TraceEntry | undefined {
    if (this.store.isEmpty) return undefined;
    const traceId = traceIdOf(request.header(TRACEPARENT));
    return traceId === undefined ? undefined : this.store.get(traceId, this.nowMs());
  }
}

/**
 * A request as its session sees it: what the app left out is filled in from what its trace arrived with. What the
 * request says itself goes first.
 */
export class TracedRequest implements RequestView {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly query: string;
  readonly sourceIp: string;

  constructor(
    private readonly request: RequestView,
    private readonly entry: TraceEntry,
  ) {
    this.method = request.method;
    this.authority = request.authority;
    this.path = request.path;
    this.query = withMissing(request.query, this.pairs('query', formatParameter), '&', readParameter) ?? '';
    this.sourceIp = request.sourceIp;
  }

  header(name: HeaderName): string | undefined {
    const own = this.request.header(name);
    if (name.lower === 'cookie')
      return withMissing(own, this.pairs('cookie', formatCookie), name.separator, readCookie);
    if (name.lower !== 'baggage') return own ?? this.valuesOf(name)?.join(name.separator);
    const { lane } = this.entry;
    const members = this.pairs('baggage', formatMember);
    if (lane !== '') members.push([LANE_MEMBER, formatMember(LANE_MEMBER, lane)]);
    return withMissing(own, members, name.separator, readBaggage);
  }

  headerValues(name: HeaderName): readonly string[] {
    const own = this.request.headerValues(name);
    return own.length > 0 ? own : (this.valuesOf(name) ?? own);
  }

  private valuesOf({ lower }: HeaderName): readonly string[] | undefined {
    return this.entry.keys.find(({ kind, name }) => kind === 'header' && name === lower)?.values;
  }

  private pairs(wanted: TraceKey['kind'], format: (name: string, value: string) => string): Pair[] {
    const keys = this.entry.keys.filter(({ kind }) => kind === wanted);
    return keys.map(({ name, values }) => [name, format(name, values[0] as string)]);
  }
}

/** A name, and what stands for it and its value in a list. */
type Pair = readonly [name: string, written: string];

function formatParameter(name: string, value: string): string {
  return `${encodeParameter(name)}=${value}`;
}

function formatMember(name: string, value: string): string {
  return `${name}=${encodeBaggageValue(value)}`;
}

/** A list of pairs with those added whose names it has not. */
function withMissing(
  own: string | undefined,
  pairs: readonly Pair[],
  separator: string,
  read: (list: string, name: string) => string | undefined,
): string | undefined {
  const missing = pairs.filter(([name]) => own === undefined || read(own, name) === undefined);
  if (missing.length === 0) return own;
  return [...(own ? [own] : []), ...missing.map(([, written]) => written)].join(separator);
}

/** The keys that a request leaves out of what its trace arrived with, as {@link KEYS_MEMBER} carries them on. */
export function missingKeys(request: RequestView, { keys }: TraceEntry): string | undefined {
  return formatKeys(keys.filter((key) => !hasKey(request, key)));
}

function hasKey(request: RequestView, { kind, name }: TraceKey): boolean {
  switch (kind) {
    case 'header':
      return request.header(headerName(name)) !== undefined;
    case 'cookie':
      return readCookie(request.header(COOKIE) ?? '', name) !== undefined;
    case 'baggage':
      return readBaggage(request.header(BAGGAGE) ?? '', name) !== undefined;
    case 'query':
      return readParameter(request.query, name) !== undefined;
  }
}
