import { PinRecords } from '../../../src/sessions/pin-records.js';
import { isUnpinned, type SharedSession } from '../../../src/sessions/shared-pin.js';
import type { SessionEntry } from '../session-table.js';

/** A session table, as sharing sees it. Sessions are found by their key: see {@link SharedSession.hash}. */
export interface SharedPinTable {
  readonly slots: number;
  /** A session as it is now; does not count as a use. */
  peek(key: bigint, nowMs: number): SharedSession | undefined;
  /** Takes a session from elsewhere if its pin wins. @returns whether there was another pin, which was kept */
  merge(session: SharedSession, ttlMs: number, nowMs: number): boolean;
  visit(from: number, to: number, nowMs: number, show: (entry: SessionEntry) => void): void;
}

/** What sharing has to know of a service's affinity. */
export interface SharedAffinity {
  readonly pinSecret: Buffer;
  readonly ttlMs: number;
  /** Tell the service's sessions from others' in a table. */
  readonly tags: ReadonlySet<number>;
}

/** Changes that wait to be sent; with more, all that this sidecar has made is sent again. */
const MOST_CHANGED = 100_000;
/** Slots looked at in one go: well under a millisecond. */
const SLICE = 16_384;

/** Sharing of one service's pins, as this sidecar takes part in it. */
export class ServicePins {
  readonly records: PinRecords;
  /** How far the control plane has told this sidecar of everything. */
  epoch = 0;
  sequence = 0;
  /** All that the control plane knew when this sidecar asked is here. */
  isComplete = false;
  /** Calls wait for {@link isComplete} until then; undefined: none has come yet. */
  awaitedUntilMs: number | undefined;
  /** Calls that wait for {@link isComplete}. */
  readonly waiting = new Set<() => void>();
  /** Keys of sessions to be sent. */
  private readonly changed = new Set<bigint>();
  /** All sessions are to be sent, or all that were pinned here: up to this slot they have been. */
  private resend: { readonly all: boolean; slot: number } | undefined;

  constructor(
    readonly name: string,
    readonly affinity: SharedAffinity,
    private readonly table: SharedPinTable,
    private readonly sharesAll = true,
  ) {
    this.records = new PinRecords(affinity.pinSecret);
  }

  /** There are sessions to be sent, or to be looked for. */
  get hasMore(): boolean {
    return this.changed.size > 0 || this.resend !== undefined;
  }

  /** A session has a new pin, or has been used for some time. */
  note(key: bigint): void {
    if (this.changed.size < MOST_CHANGED) this.changed.add(key);
    else this.sendAgain(false);
  }

  /** Has sessions sent that may have been sent before. @param all not only those that were pinned here */
  sendAgain(all: boolean): void {
    if (!this.sharesAll) return;
    this.resend = { all: all || this.resend?.all === true, slot: 0 };
  }

  /** The service is known by something else: what has not been sent of it is sent by the new one. */
  takeOver(before: ServicePins): void {
    for (const key of before.changed) this.note(key);
    this.sendAgain(false);
  }

  /** What is to be sent next. @param most sessions, at least 0 */
  take(
    most: number,
    nowMs: number,
  ): { readonly keys: readonly bigint[]; readonly sessions: SharedSession[] } {
    this.lookForMore(most, nowMs);
    const keys: bigint[] = [];
    for (const key of this.changed) {
      if (keys.length >= most) break;
      keys.push(key);
      this.changed.delete(key);
    }
    return { keys, sessions: keys.flatMap((key) => this.table.peek(key, nowMs) ?? []) };
  }

  /** @returns sessions of which a better pin was here already, and records that could not be read */
  receive(records: Buffer, nowMs: number): Received {
    const { ttlMs } = this.affinity;
    const { sessions, damaged } = this.records.read(records);
    let conflicts = 0;
    const unpinned: bigint[] = [];
    for (const session of sessions) {
      if (this.table.merge(session, ttlMs, nowMs)) conflicts++;
      else if (isUnpinned(session.pin)) unpinned.push(session.hash);
    }
    return { sessions: sessions.length, unpinned, conflicts, damaged };
  }

  complete(): void {
    this.isComplete = true;
    this.release();
  }

  /** No request waits for it any longer. */
  release(): void {
    for (const goOn of [...this.waiting]) goOn();
    this.waiting.clear();
  }

  private lookForMore(most: number, nowMs: number): void {
    const { resend, table, affinity } = this;
    if (resend === undefined || this.changed.size >= most) return;
    const end = resend.slot + SLICE;
    table.visit(resend.slot, end, nowMs, ({ high, low, tag, isOwn }) => {
      if (affinity.tags.has(tag) && (resend.all || isOwn))
        this.changed.add((BigInt(high) << 32n) | BigInt(low));
    });
    resend.slot = end;
    if (end >= table.slots) this.resend = undefined;
  }
}

export interface Received {
  readonly sessions: number;
  /** Keys of those of them that an operator has unpinned. */
  readonly unpinned: readonly bigint[];
  readonly conflicts: number;
  readonly damaged: number;
}
