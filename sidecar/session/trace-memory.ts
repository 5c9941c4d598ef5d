import { readBaggage } from '../../src/http/baggage.js';
import { readCookie } from '../../src/http/cookies.js';
import { type HeaderName, headerName } from '../../src/http/header-name.js';
import { traceIdOf } from '../../src/http/trace-context.js';
import { LANE_MEMBER } from '../../src/routing/decide.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { KeySourceConfig } from '../../src/xds/hash-policy.js';
import type { TraceEntry, TraceStore } from './trace-store.js';

/** Longest value remembered; a longer key is not carried over. */
const MAX_VALUE_LENGTH = 512;

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
    const baggage = request.header(BAGGAGE);
    const lane = baggage === undefined ? '' : (readBaggage(baggage, LANE_MEMBER) ?? '');
    const keys = collectKeys(request, sources, baggage);
    if (lane === '' && keys.headers.size + keys.cookies.size + keys.baggage.size === 0) return;
    this.store.set(traceId, { lane: lane.slice(0, MAX_VALUE_LENGTH), ...keys }, this.nowMs());
  }

  /** What the request's trace arrived with, if that is known and less than a minute ago. */
  find(request: RequestView): TraceEntry | undefined {
    if (this.store.isEmpty) return undefined;
    const traceId = traceIdOf(request.header(TRACEPARENT));
    return traceId === undefined ? undefined : this.store.get(traceId, this.nowMs());
  }
}

function collectKeys(request: RequestView, sources: readonly KeySourceConfig[], baggage: string | undefined) {
  const headers = new Map<string, string>();
  const cookies = new Map<string, string>();
  const members = new Map<string, string>();
  const cookieHeader = request.header(COOKIE) ?? '';
  for (const source of sources) {
    if (source.kind === 'header') put(headers, source.name, request.header(headerName(source.name)));
    else if (source.kind === 'cookie')
      put(cookies, source.cookie.name, readCookie(cookieHeader, source.cookie.name));
    else if (source.kind === 'baggage') put(members, source.name, readBaggage(baggage ?? '', source.name));
  }
  return { headers, cookies, baggage: members };
}

function put(values: Map<string, string>, name: string, value: string | undefined): void {
  if (value !== undefined && value !== '' && value.length <= MAX_VALUE_LENGTH) values.set(name, value);
}

/**
 * A request as its session sees it: what the app left out is filled in from what its trace arrived with. What the
 * request says itself goes first.
 */
export class TracedRequest implements RequestView {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly sourceIp: string;

  constructor(
    private readonly request: RequestView,
    private readonly entry: TraceEntry,
  ) {
    this.method = request.method;
    this.path = request.path;
    this.query = request.query;
    this.sourceIp = request.sourceIp;
  }

  header(name: HeaderName): string | undefined {
    const own = this.request.header(name);
    if (name.lower === 'baggage') return this.baggage(own);
    if (name.lower === 'cookie') return this.cookies(own);
    return own ?? this.entry.headers.get(name.lower);
  }

  headerValues(name: HeaderName): readonly string[] {
    const own = this.request.headerValues(name);
    if (own.length > 0) return own;
    const remembered = this.entry.headers.get(name.lower);
    return remembered === undefined ? own : [remembered];
  }

  private baggage(own: string | undefined): string | undefined {
    const { lane, baggage } = this.entry;
    const members = [...baggage, ...(lane === '' ? [] : [[LANE_MEMBER, lane] as const])];
    const missing = members.filter(([name]) => own === undefined || readBaggage(own, name) === undefined);
    return join(
      own,
      missing.map(([name, value]) => `${name}=${encodeURIComponent(value)}`),
      ',',
    );
  }

  private cookies(own: string | undefined): string | undefined {
    const missing = [...this.entry.cookies].filter(
      ([name]) => own === undefined || readCookie(own, name) === undefined,
    );
    return join(
      own,
      missing.map(([name, value]) => `${name}=${value}`),
      '; ',
    );
  }
}

function join(own: string | undefined, added: readonly string[], separator: string): string | undefined {
  if (added.length === 0) return own;
  return [...(own === undefined ? [] : [own]), ...added].join(separator);
}
