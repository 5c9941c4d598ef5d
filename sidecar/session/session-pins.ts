import { xxh64 } from '../../src/hashing/xxh64.js';
import type { Placement } from '../../src/routing/decide.js';
import type { Pin } from '../../src/routing/pins.js';
import { formatSetCookie, isRenewalDue } from '../../src/routing/session-cookie.js';
import {
  newcomerTag,
  type SessionCookie,
  type SessionKey,
  saltTag,
  sessionTag,
} from '../../src/routing/session-key.js';
import type { Affinity } from '../../src/routing/table.js';
import { comparePins, nextGeneration, type SharedPin } from '../../src/sessions/shared-pin.js';
import type { KeySourceConfig } from '../../src/xds/hash-policy.js';
import { DeferredPins } from './deferred-pins.js';
import { type ResponseFields, setsCookie, valueSet } from './response-cookies.js';
import { type EntryFacts, lowHalf, type PinOwner, type SessionTable } from './session-table.js';

export interface SessionPinsOptions {
  readonly table: SessionTable;
  /** Remembers sessions in cookies that have been here lately, for plans; decisions do not look at it. */
  readonly seen?: SessionTable | undefined;
  /** The table's clock. */
  nowMs(): number;
  /** Milliseconds since 1970, which cookies are dated by. */
  wallMs(): number;
  /** Told once for each service and cookie: its pods set the cookie that its sessions are to travel in. */
  onCookieOfApp?(service: string, cookie: string): void;
  /** Told of sessions whose pins others have to learn of, new or in use. @param key what the table finds it by */
  onShared?(service: string, key: bigint): void;
}

/** Cookies remembered as set by apps; beyond that, they are only left alone in the responses that set them. */
const MOST_APP_COOKIES = 10_000;

const NOTED_LATELY = 16_384;
/** Of sessions in cookies, only plans want to know. */
const FIRST = { generation: 0, revision: 0 };

/** Where pins are read and kept: in the client's cookie, or in this sidecar's table. */
export class SessionPins {
  private readonly table: SessionTable;
  private readonly ofApps = new Set<string>();
  private readonly deferred = new DeferredPins();
  /** Marks of sessions in cookies and the minute in which they were noted; one takes another's place. */
  private readonly notedLately = new Uint32Array(NOTED_LATELY);
  /** Of each affinity's sources. */
  private readonly tags = new WeakMap<Affinity, Map<KeySourceConfig, number>>();

  constructor(private readonly options: SessionPinsOptions) {
    this.table = options.table;
  }

  /** The pin of a session that has no cookie. @param pinHash see {@link SessionKey.pinHash} */
  find(affinity: Affinity, pinHash: bigint): SharedPin | undefined {
    const { table } = this;
    const key = keyOf(affinity, pinHash);
    table.lock(key);
    try {
      const found = table.find(key, affinity.ttlMs, this.options.nowMs());
      if (found?.inNextQuarter && affinity.sharesPins) this.options.onShared?.(affinity.service, key);
      return found;
    } finally {
      table.unlock(key);
    }
  }

  /**
   * Keeps what a decision wants kept, now that an endpoint has answered.
   *
   * @param answered may differ from the placement's after a retry
   * @param response of that endpoint: what it sets itself is left alone
   * @param caller the client's address: the table is shared fairly among callers
   * @returns the `Set-Cookie` value to send with the response, if one is due
   */
  keep(
    placement: Placement,
    answered: { readonly address: string },
    response: ResponseFields,
    caller = '',
  ): string | undefined {
    const { session, pinTo } = placement;
    const { affinity } = placement.route;
    if (affinity === undefined) return undefined;
    const pin = pinTo && affinity.digests.pin(pinTo, answered.address);
    const owner = { caller, scope: affinity.scope };
    if (affinity.keys.appCookies.length > 0) this.followAppCookie(placement, affinity, pin, response, owner);
    if (session === undefined) return undefined;
    if (session.cookie !== undefined) {
      this.noteCookieSession(placement, affinity, pin, owner);
      return this.cookieDue(session.cookie, pin, affinity, response);
    }
    if (pin === undefined) return undefined;
    const keep = () => this.keepInTable(affinity, session, pin, placement.pin, owner);
    if (pinTo?.onceLost === undefined) keep();
    else this.deferred.hold(keyOf(affinity, session.pinHash), pinTo.onceLost, this.options.nowMs(), keep);
    return undefined;
  }

  /** Pins sessions whose new pin other sidecars had to agree to. Called on the coarse clock's tick. */
  tick(): void {
    this.deferred.tick(this.options.nowMs());
  }

  /** Newcomers share one place of their own, so that clients without cookies push out no sessions that come back. */
  private noteCookieSession(
    { session, pin: came }: Placement,
    affinity: Affinity,
    pin: Pin | undefined,
    owner: PinOwner,
  ): void {
    const { seen } = this.options;
    const held = pin ?? came;
    if (seen === undefined || session === undefined || held === undefined) return;
    const key = keyOf(affinity, session.pinHash);
    const isNewcomer = session.cookie?.minted === true;
    if (!isNewcomer && pin === undefined && this.isNotedLately(lowHalf(key))) return;
    const facts = this.factsOf(affinity, session, owner);
    const newcomer = { ...facts, owner: { ...owner, caller: '' }, tag: newcomerTag(facts.tag) };
    const entry = { ...held, ...FIRST };
    seen.lock(key);
    try {
      seen.set(key, entry, this.options.nowMs(), isNewcomer ? newcomer : facts);
    } finally {
      seen.unlock(key);
    }
  }

  /** Once a minute is enough: a table of many sessions is a memory access or ten away, this one is near. */
  private isNotedLately(low: number): boolean {
    const minute = Math.floor(this.options.nowMs() / 60_000);
    const [place, mark] = [low % NOTED_LATELY, (low ^ Math.imul(minute, 0x9e3779b1)) >>> 0];
    if (this.notedLately[place] === mark) return true;
    this.notedLately[place] = mark;
    return false;
  }

  private factsOf(affinity: Affinity, session: KeyedSession, owner: PinOwner): EntryFacts {
    const { hash, pinHash, source } = session;
    const tag = this.tagOf(affinity, source);
    if (hash === pinHash) return { owner, tag, saltedHash: 0n, salt: 0 };
    return { owner, tag, saltedHash: hash, salt: saltTag(affinity.keys.seed) };
  }

  private tagOf(affinity: Affinity, source: KeySourceConfig): number {
    const tags = this.tags.get(affinity) ?? new Map<KeySourceConfig, number>();
    const known = tags.get(source);
    if (known !== undefined) return known;
    const tag = sessionTag(affinity.scope, source);
    this.tags.set(affinity, tags.set(source, tag));
    return tag;
  }

  private cookieDue(
    { config, minted, replaces, ...carried }: SessionCookie,
    pin: Pin | undefined,
    affinity: Affinity,
    response: ResponseFields,
  ): string | undefined {
    const nowS = Math.floor(this.options.wallMs() / 1000);
    if (setsCookie(response, config.name)) {
      this.noteCookieOfApp(config.name, affinity);
      return undefined;
    }
    if (pin === undefined && !minted && !isRenewalDue(config, carried, nowS)) return undefined;
    // What an upstream has set before is never overwritten (S6).
    if (replaces && this.ofApps.has(appCookie(config.name, affinity))) return undefined;
    const dated = config.ttlMs > 0 && !minted ? { issuedS: nowS } : {};
    return formatSetCookie(config, { key: carried.key, pin: pin ?? carried.pin, ...dated }, false);
  }

  private noteCookieOfApp(name: string, affinity: Affinity): void {
    const cookie = appCookie(name, affinity);
    if (this.ofApps.has(cookie) || this.ofApps.size === MOST_APP_COOKIES) return;
    this.ofApps.add(cookie);
    this.options.onCookieOfApp?.(affinity.service, name);
  }

  /**
   * A response that sets a cookie of the app's own, which is a key, begins a session or gives it another key: it stays
   * where it is. As for any key, a source that comes before it in the list and that the request has goes first.
   */
  private followAppCookie(
    { session, pin: came }: Placement,
    affinity: Affinity,
    pin: Pin | undefined,
    response: ResponseFields,
    owner: PinOwner,
  ): void {
    const { keys } = affinity;
    const to = pin ?? came;
    if (to === undefined) return;
    const last = session === undefined ? keys.sources.length : keys.placeOf(session.source);
    for (const { name, place } of keys.appCookies) {
      if (place > last) return;
      const value = valueSet(response, name, this.options.wallMs());
      if (value === undefined) continue;
      const pinHash = xxh64(value);
      const source = keys.sources[place] as KeySourceConfig;
      if (pinHash === session?.pinHash) return;
      const hash = keys.seed === 0n ? pinHash : xxh64(value, keys.seed);
      this.keepIfNew(affinity, { hash, pinHash, source }, to, owner);
      return;
    }
  }

  /** Nothing moves a session that has its place already. */
  private keepIfNew(affinity: Affinity, session: KeyedSession, pin: Pin, owner: PinOwner): void {
    this.change(affinity, session, owner, (present) =>
      present === undefined ? { ...pin, generation: 0, revision: this.table.revision } : undefined,
    );
  }

  /**
   * Unless the session has been pinned otherwise since this request was placed, by another request or by another
   * sidecar: within the same release a later answer, perhaps a retry's, does not move it once more (S5); else the pins
   * compete as those of two sidecars do (S6).
   *
   * @param came the pin that the request was placed with
   */
  private keepInTable(
    affinity: Affinity,
    session: KeyedSession,
    pin: Pin,
    came: Pin | undefined,
    owner: PinOwner,
  ): void {
    const replaced = came as SharedPin | undefined;
    const next = { ...pin, generation: nextGeneration(replaced), revision: this.table.revision };
    this.change(affinity, session, owner, (present) => {
      const pinnedSince = present !== undefined && !isSamePin(present, replaced);
      if (!pinnedSince) return next;
      const isSame = present.release === pin.release && present.label === pin.label;
      return isSame || comparePins(next, present) <= 0 ? undefined : next;
    });
  }

  /** @param choose what the session is to be pinned to, given its present pin; undefined: that stays */
  private change(
    affinity: Affinity,
    session: KeyedSession,
    owner: PinOwner,
    choose: (present: SharedPin | undefined) => SharedPin | undefined,
  ): void {
    const { table } = this;
    const [key, nowMs] = [keyOf(affinity, session.pinHash), this.options.nowMs()];
    table.lock(key);
    try {
      const present = table.find(key, affinity.ttlMs, nowMs);
      const chosen = choose(present);
      if (chosen === undefined) return;
      table.set(key, chosen, nowMs, this.factsOf(affinity, session, owner));
      if (affinity.sharesPins) this.options.onShared?.(affinity.service, key);
    } finally {
      table.unlock(key);
    }
  }
}

type KeyedSession = Pick<SessionKey, 'hash' | 'pinHash' | 'source'>;

function keyOf({ scope }: Affinity, hash: bigint): bigint {
  return hash ^ scope;
}

/** Whether a session is still pinned as it was when a request was placed. */
function isSamePin(present: SharedPin, came: SharedPin | undefined): boolean {
  return came !== undefined && comparePins(present, came) === 0;
}

function appCookie(name: string, { scope }: Affinity): string {
  return `${name} ${scope}`;
}
