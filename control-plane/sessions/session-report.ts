import { setImmediate, setTimeout } from 'node:timers/promises';
import type {
  SessionCountMessage,
  SessionsResponse,
  SharedSessionMessage,
} from '../../src/api/config-service.js';
import { xxh64 } from '../../src/hashing/xxh64.js';
import { utf8Bytes } from '../../src/http/byte-text.js';
import { type MeshService, serviceKey } from '../../src/model/mesh-service.js';
import { describeSource } from '../../src/routing/explain.js';
import { type Pin, releaseDigest } from '../../src/routing/pins.js';
import type { Release } from '../../src/routing/release.js';
import { sessionTag } from '../../src/routing/session-key.js';
import type { Affinity, VirtualHost } from '../../src/routing/table.js';
import { isUnpinned, type SharedPin } from '../../src/sessions/shared-pin.js';
import type { KeySourceConfig } from '../../src/xds/hash-policy.js';
import type { BookEntry } from './pin-book.js';
import type { SessionHub } from './session-hub.js';

/** No pin of such a session is shared. */
export class UnknownSessionError extends Error {
  constructor(service: string) {
    super(`no pin of such a session of ${service} is shared`);
    this.name = 'UnknownSessionError';
  }
}

export interface ReportedSessions {
  readonly service: MeshService;
  /** The value of one session's key; empty: all. */
  readonly key: string;
  readonly hub: SessionHub;
  /** The service's routing, as sidecars decide by it. */
  readonly host: VirtualHost;
}

/** Entries counted without letting anything else run. */
const SLICE = 5000;

/** For decisions in the control plane: the pins that sidecars share. */
export function sharedPins(hub: SessionHub): (affinity: Affinity, pinHash: bigint) => SharedPin | undefined {
  return ({ service, scope }, pinHash) => {
    const pin = hub.find(service)?.book.find(pinHash ^ scope)?.pin;
    return pin === undefined || isUnpinned(pin) ? undefined : pin;
  };
}

/** What sidecars share of a service's sessions. */
export async function reportSessions(asked: ReportedSessions): Promise<SessionsResponse> {
  const { service, key, hub, host } = asked;
  const shared = hub.find(host.service.label);
  const kinds = kindsOf(host);
  const counts = key === '' && shared ? await countSessions(host, kinds, shared.book.alive(hub.nowMs)) : [];
  return {
    key: serviceKey(service),
    sidecars: shared?.followers.size ?? 0,
    total: counts.reduce((sum, { sessions }) => sum + sessions, 0),
    counts,
    sessions:
      key === ''
        ? []
        : entriesOf(asked, kinds).map(([kind, entry]) => describe(host, kind, entry, hub.nowMs)),
    inCookies: [...new Set(kinds.filter(isInCookie).map(({ source }) => describeSource(source)))],
  };
}

/** How long sidecars are given to find a session that is not known here, in their tables or in a session store. */
const FIND_MS = 1000;
const LOOK_MS = 50;

/** Has sidecars tell of a session that is not known here. Returns once it is, or after {@link FIND_MS}. */
export async function findSession(asked: ReportedSessions): Promise<void> {
  const kinds = kindsOf(asked.host);
  const hash = xxh64(utf8Bytes(asked.key));
  const isKnown = () => entriesOf(asked, kinds).length > 0;
  if (asked.key === '' || isKnown()) return;
  for (const { affinity, source } of kinds) {
    const { service, scope } = affinity;
    asked.hub.find(service)?.ask([{ hash: hash ^ scope, tag: sessionTag(scope, source) }]);
  }
  const deadline = Date.now() + FIND_MS;
  while (!isKnown() && Date.now() < deadline) await setTimeout(LOOK_MS);
}

/** Unpins a session. @returns how many pins it had: one for each source, and route, that may have its key */
export function forgetSession(asked: ReportedSessions): number {
  const { host, hub } = asked;
  const shared = hub.find(host.service.label);
  const entries = entriesOf(asked, kindsOf(host));
  return entries.filter(([, { hash }]) => shared?.forget(hash)).length;
}

/** Sessions that are known by the same. */
interface SessionKind {
  readonly affinity: Affinity;
  readonly source: KeySourceConfig;
  /** Under `scope: route`. */
  readonly route: string;
}

function kindsOf({ routes }: VirtualHost): SessionKind[] {
  const kinds = new Map<string, SessionKind>();
  for (const { affinity, name } of routes)
    for (const source of affinity?.keys.sources ?? []) {
      const { scope, service } = affinity as Affinity;
      const isPerRoute = scope !== xxh64(service);
      const kind = { affinity: affinity as Affinity, source, route: isPerRoute ? name : '' };
      kinds.set(`${scope} ${sessionTag(scope, source)}`, kind);
    }
  return [...kinds.values()];
}

function isInCookie({ source }: SessionKind): boolean {
  return source.kind === 'cookie' && source.cookie.mint;
}

function entriesOf(
  { key, hub }: ReportedSessions,
  kinds: readonly SessionKind[],
): [SessionKind, BookEntry][] {
  const hash = xxh64(utf8Bytes(key));
  return kinds.flatMap((kind): [SessionKind, BookEntry][] => {
    const { affinity, source } = kind;
    const entry = hub.find(affinity.service)?.book.find(hash ^ affinity.scope);
    const isOfKind = entry?.tag === sessionTag(affinity.scope, source);
    return entry === undefined || !isOfKind || isUnpinned(entry.pin) ? [] : [[kind, entry]];
  });
}

async function countSessions(
  host: VirtualHost,
  kinds: readonly SessionKind[],
  entries: Iterable<BookEntry>,
): Promise<SessionCountMessage[]> {
  const sources = new Map(
    kinds.map(({ affinity, source }) => [sessionTag(affinity.scope, source), describeSource(source)]),
  );
  const [affinity] = kinds.map((kind) => kind.affinity);
  const counts = new Map<string, { -readonly [K in keyof SessionCountMessage]: SessionCountMessage[K] }>();
  let looked = 0;
  for (const { pin, tag } of entries) {
    if (++looked % SLICE === 0) await setImmediate();
    const source = sources.get(tag);
    if (source === undefined || affinity === undefined || isUnpinned(pin)) continue;
    const place = placeOf(pin, host, affinity);
    const count = counts.get(`${place.release} ${place.endpoint} ${source}`);
    if (count === undefined)
      counts.set(`${place.release} ${place.endpoint} ${source}`, { ...place, source, sessions: 1 });
    else count.sessions++;
  }
  const names = host.service.releases.map(({ name }) => name);
  return [...counts.values()].sort(
    (a, b) => names.indexOf(a.release) - names.indexOf(b.release) || (a.endpoint < b.endpoint ? -1 : 1),
  );
}

function describe(
  host: VirtualHost,
  { affinity, source, route }: SessionKind,
  { pin, usedAtMs }: BookEntry,
  nowMs: number,
): SharedSessionMessage {
  const { label, generation, revision } = pin;
  const idleSeconds = Math.max(0, Math.round((nowMs - usedAtMs) / 1000));
  return {
    source: describeSource(source),
    route,
    ...placeOf(pin, host, affinity),
    label,
    generation,
    revision,
    idleSeconds,
  };
}

/** Where a pin leads now; S6: its endpoint goes first. */
function placeOf(
  pin: Pin,
  { service }: VirtualHost,
  { digests }: Affinity,
): { release: string; endpoint: string } {
  const at = ({ cluster }: Release) => cluster.endpoints.findByDigest(pin.endpoint, digests);
  const owner = service.releases.find((release) => at(release) >= 0);
  if (owner !== undefined)
    return { release: owner.name, endpoint: owner.cluster.endpoints.at(at(owner)).address };
  const named = service.releases.find((release) => releaseDigest(release, pin.label) === pin.release);
  return { release: named?.name ?? '', endpoint: '' };
}
