import type { Callers } from '../fleet/callers.js';
import type { Random } from '../random.js';
import type { Traits } from '../world/traits.js';

/** What a session's requests bring along as its key. */
export type Carrier = 'request' | 'cookie' | 'none';

const CARRIERS: readonly Carrier[] = ['request', 'cookie', 'none'];
/** Partitions of a service that keeps its routes apart: one for each route name. */
export const ROUTE_NAMES = ['default', 'qa', 'beta'] as const;
/** Share of callers of services without cookies that send no key at all. */
const KEYLESS = 0.02;
/** How much more often the first services are called than the last. */
const SKEW = 0.7;

/**
 * Every session of the simulation: whom it calls, which caller it comes from, and the cookies that it has been given.
 * Sessions begin one after the other, in the order of their numbers.
 */
export class Sessions {
  private readonly services: Uint16Array;
  private readonly callers: Uint16Array;
  private readonly carriers: Uint8Array;
  private readonly firstRecords: Uint32Array;
  /** `name=value` by record. */
  private readonly cookies: (string | undefined)[] = [];
  private readonly cookieStarts: Float64Array;
  private readonly cookieEnds: Float64Array;
  readonly records: number;

  constructor(
    readonly count: number,
    callers: Callers,
    private readonly traits: readonly Traits[],
    random: Random,
  ) {
    this.services = new Uint16Array(count);
    this.callers = new Uint16Array(count);
    this.carriers = new Uint8Array(count);
    this.firstRecords = new Uint32Array(count);
    const popularity = traits.map(({ index }) => [index, 1 / (index + 1) ** SKEW] as const);
    let records = 0;
    for (let session = 0; session < count; session++) {
      const service = random.pickWeighted(popularity);
      const { keys, perRoute } = traits[service] as Traits;
      this.services[session] = service;
      this.callers[session] = random.pick(callers.ofService(service)) ?? 0;
      this.carriers[session] = CARRIERS.indexOf(carrierOf(keys, random));
      this.firstRecords[session] = records;
      records += perRoute ? ROUTE_NAMES.length : 1;
    }
    this.records = records;
    this.cookieStarts = new Float64Array(records);
    this.cookieEnds = new Float64Array(records);
  }

  traitsOf(session: number): Traits {
    return this.traits[this.services[session] as number] as Traits;
  }

  /** Whose pods its requests come through; cookies may come through anybody's. */
  callerOf(session: number): number {
    return this.callers[session] as number;
  }

  /** Records of sessions of these services that no cookie carries. */
  recordsInTables(services: ReadonlySet<number>): number {
    let records = 0;
    for (let session = 0; session < this.count; session++)
      if (services.has(this.services[session] as number) && this.carrierOf(session) === 'request')
        records += this.traitsOf(session).perRoute ? ROUTE_NAMES.length : 1;
    return records;
  }

  carrierOf(session: number): Carrier {
    return CARRIERS[this.carriers[session] as number] as Carrier;
  }

  /** Where what is known of the session is kept: apart for each route, where the service wants that. */
  recordOf(session: number, route: string): number {
    const first = this.firstRecords[session] as number;
    if (!this.traitsOf(session).perRoute) return first;
    return first + Math.max(0, (ROUTE_NAMES as readonly string[]).indexOf(route));
  }

  /** Every record of a session. */
  recordsOf(session: number): number[] {
    const first = this.firstRecords[session] as number;
    return this.traitsOf(session).perRoute ? ROUTE_NAMES.map((_, i) => first + i) : [first];
  }

  /** The `Cookie` header that the client sends now; undefined: it has none. */
  cookieHeader(session: number, nowMs: number): string | undefined {
    let header: string | undefined;
    for (const record of this.recordsOf(session)) {
      const cookie = this.cookieOf(record, nowMs);
      if (cookie !== undefined) header = header === undefined ? cookie : `${header}; ${cookie}`;
    }
    return header;
  }

  /** `name=value`, until it expires. */
  cookieOf(record: number, nowMs: number): string | undefined {
    const cookie = this.cookies[record];
    if (cookie === undefined || nowMs < (this.cookieEnds[record] as number)) return cookie;
    this.cookies[record] = undefined;
    return undefined;
  }

  /** Half of the time that the client was told to keep the cookie for is over (S6). */
  isRenewalDue(record: number, nowMs: number): boolean {
    const issuedMs = this.cookieStarts[record] as number;
    const endMs = this.cookieEnds[record] as number;
    return (
      this.cookies[record] !== undefined &&
      (Math.floor(nowMs / 1000) * 1000 - issuedMs) * 2 >= endMs - issuedMs
    );
  }

  /** Does what a client does with a `Set-Cookie`. */
  keepCookie(record: number, setCookie: string, nowMs: number): void {
    const [cookie, ...attributes] = setCookie.split('; ');
    const maxAge = attributes.find((attribute) => attribute.startsWith('Max-Age='))?.slice('Max-Age='.length);
    this.cookies[record] = cookie;
    // Cookies are dated in whole seconds.
    const issuedMs = Math.floor(nowMs / 1000) * 1000;
    this.cookieStarts[record] = issuedMs;
    this.cookieEnds[record] =
      maxAge === undefined ? Number.POSITIVE_INFINITY : issuedMs + Number(maxAge) * 1000;
  }
}

function carrierOf(keys: Traits['keys'], random: Random): Carrier {
  if (keys === 'cookie') return 'cookie';
  if (keys === 'either') return random.chance(0.5) ? 'cookie' : 'request';
  return random.chance(KEYLESS) ? 'none' : 'request';
}
