import type { SharedPin } from '../../../src/sessions/shared-pin.js';
import type { Callers } from '../fleet/callers.js';
import type { Held } from './memory.js';

/** How the relay fares, as the simulation plays it. */
export interface RelayFacts {
  /** When the control plane started last, empty. */
  readonly hubSinceMs: number;
  /** Since when a sidecar has had a way to it; Infinity: it has none. */
  upSinceMs(sidecar: number): number;
}

/** A pin that was made, and who has to know it. */
interface MadePin {
  readonly service: number;
  readonly held: Held | undefined;
  readonly pin: SharedPin;
  /** Made, or used again after so long that others may have forgotten it. */
  madeMs: number;
  /** When a request was placed with it last. Requests placed with another pin of the session do not keep it alive. */
  usedMs: number;
  maker: number;
  /** The maker's, when it made it. */
  life: number;
  /** The maker made it, and tells every new control plane of it. */
  isOwn: boolean;
  /** A bit for each of the service's callers' pods. */
  knownBy: number;
  /** There was a better pin of the session, which the maker may have heard of and taken in its place. */
  isBeaten: boolean;
  /** The control plane has to know it. */
  atHub: boolean;
  /** It may be past its ttl everywhere: nobody has to know it. */
  isForgotten: boolean;
}

interface Entry {
  pins: MadePin[];
  /** What the session's last request was placed with. */
  last: MadePin | undefined;
}

/** What a sidecar found of a session, as far as it could be. */
export interface Looked {
  readonly held: Held | undefined;
  /** Why the session is not placed with the pin of its last request. */
  readonly loss: string | undefined;
  readonly problem: string | undefined;
  readonly match: MadePin | undefined;
  /** Pins that no request was placed with for longer than this may be forgotten, here or there. */
  readonly surelyAliveMs: number;
}

export interface Where {
  readonly record: number;
  readonly service: number;
  readonly sidecar: number;
}

/** Within this, whatever can reach a sidecar has reached it: far ways, ticks, and steps of the simulated clock. */
export const RELAY_DELAY_MS = 1500;
/** Use at another pod is passed on coarsely, so a pin may seem idle for up to 3/8 of its ttl longer than it is. */
const SURELY_ALIVE = 0.6;
/** Ages travel in whole seconds. */
const ROUNDING_MS = 10_000;

/**
 * S6 for pins that a fleet shares: which pins each session has been given, and which sidecar has to know which. Of the
 * pins that a sidecar may know it finds the one that wins; a pin that it has to know, or a better one, must be found.
 */
export class PinLedger {
  private readonly entries = new Map<number, Entry>();
  private readonly records = new Map<number, Set<number>>();
  /** Pins that somebody has still to be told of. */
  private readonly fresh = new Set<MadePin>();
  private readonly lives: number[] = [];
  private readonly bornMs: number[] = [];
  private readonly gone = new Set<number>();
  private readonly pods = new Map<number, readonly number[]>();
  /** By service and caller: since when the caller's pods are told of the service's pins. */
  private readonly following = new Map<string, number>();

  constructor(
    private readonly callers: Callers,
    private readonly relay: RelayFacts,
  ) {}

  /** @param found the pin that the sidecar found */
  look(at: Where, found: SharedPin | undefined, idleMs: number, ttlMs: number, nowMs: number): Looked {
    const entry = this.entries.get(at.record);
    const surelyAliveMs = ttlMs * SURELY_ALIVE;
    const nothing = { held: undefined, loss: undefined, match: undefined, surelyAliveMs };
    if (entry === undefined) return { ...nothing, problem: found && 'a pin that nobody has made' };
    const bit = this.bit(at);
    const must = best(
      entry.pins.filter(({ knownBy, usedMs }) => (knownBy & bit) !== 0 && nowMs - usedMs <= surelyAliveMs),
    );
    if (found === undefined) {
      const mayBeIdle = this.mayBeIdle(at, entry, idleMs, ttlMs, nowMs);
      for (const pin of entry.pins)
        this.forget(pin, mayBeIdle && nowMs - pin.madeMs >= surelyAliveMs ? 0 : ~bit);
      const loss =
        entry.last && (mayBeIdle ? 'idle for longer than ttl' : this.whyUnknown(entry.last, at, nowMs));
      if (idleMs > ttlMs + ROUNDING_MS) this.drop(entry);
      const problem = must !== undefined && !mayBeIdle ? 'its pin was not found' : undefined;
      return { ...nothing, loss, problem };
    }
    const match = entry.pins.find(({ pin }) => isSame(pin, found));
    if (match === undefined) return { ...nothing, problem: 'a pin that nobody has made' };
    const isDead = idleMs > ttlMs + ROUNDING_MS;
    const isOld = must !== undefined && must !== match && beats(must.pin, match.pin);
    match.knownBy |= bit;
    match.usedMs = nowMs;
    if (idleMs > surelyAliveMs) this.revive(match, at, nowMs);
    const problem = isDead
      ? 'a pin that is past its ttl'
      : isOld
        ? 'a pin that another has replaced, as this sidecar has to know'
        : undefined;
    const loss = this.whyOther(entry.last, match, at, nowMs);
    return { held: match.held, loss, match, problem, surelyAliveMs };
  }

  /**
   * The request has been placed.
   *
   * @param kept the pin that the sidecar has now
   * @param expected what the session is to hold
   */
  keep(
    at: Where,
    { match, surelyAliveMs }: Looked,
    kept: SharedPin | undefined,
    expected: Held | undefined | 'same',
    revision: number,
    nowMs: number,
  ): string | undefined {
    const entry = this.entries.get(at.record);
    if (expected === 'same') {
      if (entry !== undefined) entry.last = match;
      return kept !== undefined && (match === undefined || !isSame(kept, match.pin))
        ? 'a new pin, with nothing new'
        : undefined;
    }
    const generation = match === undefined ? 0 : match.pin.generation + 1;
    const isRight =
      kept !== undefined &&
      kept.generation === generation &&
      kept.revision === revision &&
      kept.label === (expected?.label ?? false) &&
      (kept.release === 0) === ((expected?.release ?? 0) === 0);
    if (!isRight) {
      if (entry !== undefined) entry.last = match;
      return 'not pinned as it should be';
    }
    this.add(at, expected, kept, nowMs, nowMs - surelyAliveMs);
    return undefined;
  }

  /** A caller's pod has asked for a service. */
  called({ service, sidecar }: Where, nowMs: number): void {
    const name = this.follows(service, sidecar);
    if (this.following.has(name) || !this.isCalm(sidecar, 0, nowMs)) return;
    this.following.set(name, nowMs);
    for (const pin of this.pinsOf(service)) if (pin.atHub || this.isTold(pin)) this.fresh.add(pin);
  }

  /** Notes what must have come where by now. */
  spread(nowMs: number): void {
    for (const pin of this.fresh) {
      if (!pin.atHub) {
        if (!this.isAlive(pin)) this.fresh.delete(pin);
        else if (this.isCalm(pin.maker, pin.madeMs, nowMs)) pin.atHub = true;
      }
      if (!pin.atHub) continue;
      let isDone = true;
      this.podsFor(pin.service).forEach((pod, place) => {
        if ((pin.knownBy & (1 << place)) !== 0 || this.gone.has(pod)) return;
        const since = this.following.get(this.follows(pin.service, pod));
        const due =
          since !== undefined && this.isCalm(pod, Math.max(since, pin.madeMs, this.relayedMs(pin)), nowMs);
        if (due) pin.knownBy |= 1 << place;
        else isDone = false;
      });
      if (isDone) this.fresh.delete(pin);
    }
  }

  /** A sidecar has started anew, with nothing; or is gone. */
  restarted(sidecar: number, nowMs: number, isGone = false): void {
    this.lives[sidecar] = this.lifeOf(sidecar) + 1;
    this.bornMs[sidecar] = nowMs;
    if (isGone) this.gone.add(sidecar);
    else this.gone.delete(sidecar);
    const caller = this.callers.of(sidecar);
    const siblings = this.callers.podsOf(caller).filter((pod) => pod !== sidecar && !this.gone.has(pod));
    const told = siblings.some((pod) => this.isCalm(pod, 0, nowMs));
    for (const service of this.records.keys()) {
      const place = this.podsFor(service).indexOf(sidecar);
      if (place === -1) continue;
      if (!told) this.following.delete(this.follows(service, sidecar));
      for (const pin of this.pinsOf(service)) {
        pin.knownBy &= ~(1 << place);
        if (pin.atHub || this.isTold(pin)) this.fresh.add(pin);
      }
    }
  }

  /** The control plane has lost what it knew. */
  hubRestarted(): void {
    for (const service of this.records.keys())
      for (const pin of this.pinsOf(service)) {
        // What its maker has still to send, it sends to the next one; what others had told of, they may not tell again.
        const isUnsent = !pin.atHub && this.fresh.has(pin);
        pin.atHub = false;
        if (this.isTold(pin) || (isUnsent && this.isAlive(pin))) this.fresh.add(pin);
        else this.fresh.delete(pin);
      }
  }

  /** A pod says that it is ready, with a way to the control plane: it has what its siblings call (S6). */
  ready(sidecar: number, nowMs: number): void {
    const born = this.bornMs[sidecar] ?? 0;
    const caller = this.callers.of(sidecar);
    const knows = this.callers
      .podsOf(caller)
      .some((pod) => pod !== sidecar && !this.gone.has(pod) && this.isCalm(pod, 0, born));
    if (!knows || this.relay.hubSinceMs + RELAY_DELAY_MS > born || nowMs - born > 1900) return;
    for (const service of this.records.keys()) {
      const place = this.podsFor(service).indexOf(sidecar);
      const since = this.following.get(this.follows(service, sidecar));
      if (place === -1 || since === undefined || since + RELAY_DELAY_MS > born) continue;
      for (const pin of this.pinsOf(service)) if (pin.atHub) pin.knownBy |= 1 << place;
    }
  }

  /** @param aliveSinceMs pins that were not used since then may be forgotten */
  private add(at: Where, held: Held | undefined, pin: SharedPin, nowMs: number, aliveSinceMs: number): void {
    const entry = this.entries.get(at.record) ?? { pins: [], last: undefined };
    const life = this.lifeOf(at.sidecar);
    const { service, sidecar: maker } = at;
    let made = entry.pins.find((each) => isSame(each.pin, pin));
    if (made === undefined) {
      made = {
        service,
        held,
        pin,
        madeMs: nowMs,
        usedMs: nowMs,
        maker,
        life,
        isOwn: true,
        isBeaten: false,
        knownBy: 0,
        atHub: false,
        isForgotten: false,
      };
      // What must be known to all is better than what nobody can find any longer.
      const everywhere = best(
        entry.pins.filter(
          (each) => each.atHub && !each.isForgotten && !this.fresh.has(each) && each.usedMs >= aliveSinceMs,
        ),
      );
      if (everywhere !== undefined)
        entry.pins = entry.pins.filter((each) => each === everywhere || beats(each.pin, everywhere.pin));
      for (const other of entry.pins) {
        if (beats(pin, other.pin)) other.isBeaten = true;
        else if (other.usedMs >= aliveSinceMs) made.isBeaten = true;
      }
      entry.pins.push(made);
      this.fresh.add(made);
    }
    made.usedMs = nowMs;
    made.knownBy |= this.bit(at);
    entry.last = made;
    this.entries.set(at.record, entry);
    const records = this.records.get(service) ?? new Set();
    this.records.set(service, records.add(at.record));
  }

  /** Sidecars need not know it any longer, but for these. */
  private forget(pin: MadePin, except: number): void {
    pin.knownBy &= except;
    if (except !== 0) return;
    pin.isForgotten = true;
    this.fresh.delete(pin);
  }

  /** It was idle for so long that only this sidecar has to know it, until it has told of the use. */
  private revive(pin: MadePin, at: Where, nowMs: number): void {
    pin.knownBy = this.bit(at);
    pin.madeMs = nowMs;
    pin.isOwn &&= pin.maker === at.sidecar;
    pin.maker = at.sidecar;
    pin.life = this.lifeOf(at.sidecar);
    pin.atHub = false;
    pin.isForgotten = false;
    this.fresh.add(pin);
  }

  private drop(entry: Entry): void {
    for (const pin of entry.pins) this.fresh.delete(pin);
    entry.pins = [];
  }

  private mayBeIdle(at: Where, { pins }: Entry, idleMs: number, ttlMs: number, nowMs: number): boolean {
    if (idleMs > ttlMs * SURELY_ALIVE) return true;
    if (pins.every(({ madeMs }) => nowMs - madeMs < ttlMs * SURELY_ALIVE)) return false;
    const disturbed = nowMs - 2 * ttlMs;
    const pods = this.podsFor(at.service).filter((pod) => !this.gone.has(pod));
    return this.relay.hubSinceMs > disturbed || pods.some((pod) => this.relay.upSinceMs(pod) > disturbed);
  }

  private whyOther(last: MadePin | undefined, found: MadePin, at: Where, nowMs: number): string | undefined {
    if (last === found) return undefined;
    if (last === undefined) return 'its pin is known again';
    if (beats(last.pin, found.pin)) return this.whyUnknown(last, at, nowMs);
    const replaced = found.pin.generation > last.pin.generation || found.pin.label !== last.pin.label;
    return replaced ? 'a newer pin has been heard of' : 'conflict of first contacts';
  }

  private whyUnknown(pin: MadePin, { service, sidecar }: Where, nowMs: number): string | undefined {
    const { relay } = this;
    if (!this.isAlive(pin) || (this.bornMs[sidecar] ?? 0) > pin.madeMs) return 'sidecar restarted';
    const broken = Math.max(relay.upSinceMs(sidecar), relay.upSinceMs(pin.maker));
    if (relay.hubSinceMs > pin.madeMs) return 'control plane restarted';
    if (broken > pin.madeMs) return 'relay down';
    if (nowMs - pin.madeMs < RELAY_DELAY_MS) return 'unknown here yet, within the delay';
    const since = this.following.get(this.follows(service, sidecar)) ?? nowMs;
    return nowMs - since < RELAY_DELAY_MS ? 'first calls of a caller' : undefined;
  }

  private *pinsOf(service: number): Generator<MadePin> {
    for (const record of this.records.get(service) ?? [])
      yield* this.entries.get(record)?.pins.filter(({ isForgotten }) => !isForgotten) ?? [];
  }

  /** Nothing has been in a sidecar's way since then, for as long as anything takes. */
  private isCalm(sidecar: number, sinceMs: number, nowMs: number): boolean {
    const { relay } = this;
    const since = Math.max(sinceMs, relay.upSinceMs(sidecar), relay.hubSinceMs);
    return since + RELAY_DELAY_MS <= nowMs;
  }

  /** Since when the maker of a pin has been able to tell of it. */
  private relayedMs({ maker, atHub }: MadePin): number {
    return atHub ? 0 : this.relay.upSinceMs(maker);
  }

  private isAlive({ maker, life }: MadePin): boolean {
    return this.lifeOf(maker) === life && !this.gone.has(maker);
  }

  /** Its maker tells every new control plane of it. */
  private isTold(pin: MadePin): boolean {
    return pin.isOwn && !pin.isBeaten && this.isAlive(pin);
  }

  private lifeOf(sidecar: number): number {
    return this.lives[sidecar] ?? 0;
  }

  private bit({ service, sidecar }: Where): number {
    return 1 << this.podsFor(service).indexOf(sidecar);
  }

  private podsFor(service: number): readonly number[] {
    const known = this.pods.get(service) ?? this.callers.podsFor(service);
    this.pods.set(service, known);
    return known;
  }

  private follows(service: number, sidecar: number): string {
    return `${service} ${this.callers.of(sidecar)}`;
  }
}

function best(pins: readonly MadePin[]): MadePin | undefined {
  return pins.reduce<MadePin | undefined>(
    (winner, each) => (winner === undefined || beats(each.pin, winner.pin) ? each : winner),
    undefined,
  );
}

/** S6: the higher generation; then the pin made by a label; then the older revision; then the smaller digests. */
function beats(a: SharedPin, b: SharedPin): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation;
  if (a.label !== b.label) return a.label;
  if (a.revision !== b.revision) return a.revision < b.revision;
  return a.release !== b.release ? a.release < b.release : a.endpoint < b.endpoint;
}

function isSame(a: SharedPin, b: SharedPin): boolean {
  return !beats(a, b) && !beats(b, a);
}
