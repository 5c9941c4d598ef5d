import { DEFAULT_PORT_SUFFIX, sameByDefaultPort } from '../../src/http/authority.js';
import { mayBeServiceHost } from '../../src/model/service-hosts.js';
import type { NameChanges } from '../../src/xds/referenced-names.js';

/** How much may be asked for by name, and how long. */
export interface OnDemandLimits {
  /** How long a request waits until its host is known. */
  readonly waitMs: number;
  /** A host that the app has not called for so long is given up. */
  readonly idleMs: number;
  /** Hosts asked for at once. */
  readonly maxNames: number;
}

export interface OnDemandOptions {
  readonly limits: OnDemandLimits;
  /** Asks for listeners, and gives others up. */
  change(changes: NameChanges): void;
  /** When something was last sent by way of a listener, on {@link nowMs}'s clock; 0: never. */
  lastUsedMs(listener: string): number;
  /** Whether a control plane answers at all. */
  connected(): boolean;
  nowMs(): number;
}

/** What becomes of a call to a host that is not in the table. */
export type Lookup =
  /** It may wait for so long, and is called back when more is known. */
  | { readonly kind: 'wait'; readonly waitMs: number; readonly cancel: () => void }
  /** The control plane does not know the host, or has said nothing of it for as long as anybody waits. */
  | { readonly kind: 'unknown' }
  /** There is no control plane to ask. */
  | { readonly kind: 'unanswered' }
  /** Too much is being asked for. */
  | { readonly kind: 'refused'; readonly why: string };

/** The outcome of a call to such a host. */
export type HostVerdict = Exclude<Lookup, { kind: 'wait' }>;

/** Knows what becomes of calls to hosts that are not in the table. */
export interface HostDemand {
  /**
   * A call to a host that is not in the table.
   *
   * @param authority in its one spelling, here and below
   * @param resume called once, when more is known of the host, unless the wait is cancelled before
   */
  lookUp(authority: string, resume: () => void): Lookup;
  /** A call has waited, and its host is still not in the table: others do not wait any more. */
  waitedInVain(authority: string): Lookup;
}

/** Calls that wait at once, over all hosts; more are refused. */
const MAX_WAITING = 1000;
/** Hosts asked for that were not asked for before: a caller that makes up names does not flood the control plane. */
const NEW_NAMES_PER_SECOND = 20;
const NEW_NAMES_BURST = 100;
/** A name that the control plane does not know is kept for so long; meanwhile it says when it does. */
const ABSENT_IDLE_MS = 60_000;
const SWEEP_MS = 1000;

/**
 * `asked`: no answer yet. `there`: the listener has come; its routes may be on their way. `absent`: the server says
 * that there is none; it is still subscribed to, so that its coming is not missed.
 */
export type HostState = 'asked' | 'there' | 'absent';

interface Entry {
  state: HostState;
  /** Calls may wait for it: no call has waited in vain yet. */
  open: boolean;
  lastAskedMs: number;
  readonly waiting: Set<() => void>;
}

/**
 * Hosts that the app calls and that were not named beforehand: each is asked for as a listener of its name with the
 * first call to it, which waits for a bounded time; what is not called any more is given up. The table of names is
 * bounded, as is how fast it changes: unknown names give way to new ones, known ones only when they are idle.
 */
export class OnDemand implements HostDemand {
  /** Calls refused because too much was being asked for. */
  refused = 0;
  /** Names asked for, ever. */
  asked = 0;
  /** In the order in which they were last asked for. */
  private readonly entries = new Map<string, Entry>();
  private waiting = 0;
  private tokens = NEW_NAMES_BURST;
  private tokensAtMs: number;
  private nextSweepMs = 0;

  constructor(private readonly options: OnDemandOptions) {
    this.tokensAtMs = options.nowMs();
  }

  get waitingCount(): number {
    return this.waiting;
  }

  /** Hosts held, by state. */
  get counts(): Readonly<Record<HostState, number>> {
    const counts = { asked: 0, there: 0, absent: 0 };
    for (const { state } of this.entries.values()) counts[state]++;
    return counts;
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  /** Names that were in use in an earlier life of this sidecar. @returns those that there is room for */
  adopt(names: readonly string[]): readonly string[] {
    const room = Math.max(0, this.options.limits.maxNames - this.entries.size);
    const added = names.filter((name) => !this.entries.has(name)).slice(0, room);
    for (const name of added) this.entries.set(name, this.newEntry());
    this.options.change({ added, dropped: [] });
    return added;
  }

  lookUp(authority: string, resume: () => void): Lookup {
    if (!mayBeServiceHost(authority)) return { kind: 'unknown' };
    const name = askedName(authority);
    const known = this.entries.get(name);
    if (known?.open === false) {
      this.renew(name, known);
      return this.verdict(known);
    }
    if (this.waiting >= MAX_WAITING) return this.refuse(`${MAX_WAITING} calls wait for their host already`);
    const entry = known ?? this.ask(name);
    if (typeof entry === 'string') return this.refuse(entry);
    this.renew(name, entry);
    return { kind: 'wait', waitMs: this.options.limits.waitMs, cancel: this.wait(entry, resume) };
  }

  waitedInVain(authority: string): Lookup {
    const entry = this.entries.get(askedName(authority));
    if (entry === undefined) return { kind: 'unknown' };
    entry.open = false;
    return this.verdict(entry);
  }

  /** The server has said something about a listener. */
  onListener(name: string, isThere: boolean): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    entry.state = isThere ? 'there' : 'absent';
    entry.open = isThere;
    if (!isThere) wake(entry);
  }

  /** The table has changed. @param find whether it has a host */
  onTable(find: (host: string) => boolean): void {
    if (this.waiting === 0) return;
    for (const [name, entry] of this.entries) if (entry.waiting.size > 0 && find(name)) wake(entry);
  }

  /** Gives up what is idle. Called on the coarse clock's tick. */
  tick(nowMs: number): void {
    if (nowMs < this.nextSweepMs) return;
    this.nextSweepMs = nowMs + SWEEP_MS;
    const dropped = [...this.entries]
      .filter(([name, entry]) => this.isIdle(name, entry, nowMs))
      .map(([name]) => name);
    if (dropped.length === 0) return;
    for (const name of dropped) this.entries.delete(name);
    this.options.change({ added: [], dropped });
  }

  private verdict({ state }: Entry): Lookup {
    return { kind: state === 'asked' && !this.options.connected() ? 'unanswered' : 'unknown' };
  }

  private isIdle(name: string, { state, lastAskedMs, waiting }: Entry, nowMs: number): boolean {
    if (waiting.size > 0) return false;
    const { limits, lastUsedMs } = this.options;
    if (state !== 'there') return nowMs - lastAskedMs >= Math.min(limits.idleMs, ABSENT_IDLE_MS);
    return nowMs - Math.max(lastAskedMs, lastUsedMs(name)) >= limits.idleMs;
  }

  private wait(entry: Entry, resume: () => void): () => void {
    const waiter = () => {
      end();
      resume();
    };
    const end = () => {
      if (entry.waiting.delete(waiter)) this.waiting--;
    };
    entry.waiting.add(waiter);
    this.waiting++;
    return end;
  }

  private refuse(why: string): Lookup {
    this.refused++;
    return { kind: 'refused', why };
  }

  /** @returns the new entry, or why there is none */
  private ask(name: string): Entry | string {
    const { limits, change } = this.options;
    const dropped = this.entries.size < limits.maxNames ? [] : this.oldestUnknown();
    if (this.entries.size - dropped.length >= limits.maxNames)
      return `${limits.maxNames} hosts are in use on demand (--on-demand-names)`;
    if (!this.takeToken()) return `more than ${NEW_NAMES_PER_SECOND} new hosts a second are called`;
    for (const old of dropped) this.entries.delete(old);
    const entry = this.newEntry();
    this.entries.set(name, entry);
    this.asked++;
    change({ added: [name], dropped });
    return entry;
  }

  private newEntry(): Entry {
    return { state: 'asked', open: true, lastAskedMs: this.options.nowMs(), waiting: new Set() };
  }

  private oldestUnknown(): string[] {
    for (const [name, { state, waiting }] of this.entries)
      if (state !== 'there' && waiting.size === 0) return [name];
    return [];
  }

  private renew(name: string, entry: Entry): void {
    entry.lastAskedMs = this.options.nowMs();
    this.entries.delete(name);
    this.entries.set(name, entry);
  }

  private takeToken(): boolean {
    const nowMs = this.options.nowMs();
    const gained = ((nowMs - this.tokensAtMs) * NEW_NAMES_PER_SECOND) / 1000;
    this.tokens = Math.min(NEW_NAMES_BURST, this.tokens + gained);
    this.tokensAtMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}

/** The default port belongs to the host: a service that has the host has it with that port, too. */
function askedName(authority: string): string {
  return authority.endsWith(DEFAULT_PORT_SUFFIX) ? (sameByDefaultPort(authority) ?? authority) : authority;
}

/** Everybody who waits goes on, once what is being taken in has been taken in. */
function wake({ waiting }: Entry): void {
  for (const waiter of waiting)
    setImmediate(() => {
      if (waiting.has(waiter)) waiter();
    });
}
