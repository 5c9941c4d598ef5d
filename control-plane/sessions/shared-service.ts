import { PinRecords } from '../../src/sessions/pin-records.js';
import { OWN_SOURCE, type SharedSession, unpinned } from '../../src/sessions/shared-pin.js';
import { codec } from '../../src/xds/descriptors.js';
import { EndpointViews, type ToldCounts } from './endpoint-views.js';
import { type BookEntry, PinBook } from './pin-book.js';

/** A sidecar or control plane that is told of a service's pins. */
export interface Follower {
  /** Its name: a follower is not told of what came from its like. */
  readonly peer: string;
  /** It is another control plane. */
  readonly isReplica?: boolean;
  onChanges(service: SharedService, message: ChangeMessage): void;
  /** @param response a whole message */
  onViews(response: Buffer): void;
  /** An operator asks about sessions. @param response a whole message */
  onWanted(response: Buffer): void;
}

const RESPONSE = codec('roost.v1.ShareResponse');

/** What changed within one tick, the same for every follower. */
export interface ChangeMessage {
  readonly records: Buffer;
  /** The position that a follower has reached with it. */
  readonly sequence: number;
  /** The {@link Follower.peer} that all of it came from; undefined: it came from several. */
  readonly from: string | undefined;
}

/** One service of which pins are shared: its book, those who follow it, and what is still to be passed on. */
export class SharedService {
  readonly book: PinBook;
  readonly followers = new Set<Follower>();
  readonly views = new EndpointViews();
  /** A follower that other control planes had told of the service's pins has been asked for everything that it has. */
  refilling = false;
  /** Position of the newest change. */
  lastChange = 0;
  /** What followers were told of whether there are others. */
  private toldAlone = '0 of 0';
  private readonly records: PinRecords;
  private readonly changed = new Map<bigint, string>();
  /** Other control planes that have not told all that they know of it, and how long they are waited for. */
  private readonly expected = new Set<Follower>();
  private expectedUntilMs = 0;

  /** @param name `checkout.shop` */
  constructor(
    readonly name: string,
    readonly secret: Buffer,
    capacity: number,
    nextSequence: () => number,
    private readonly nowMs: () => number,
  ) {
    this.book = new PinBook(capacity, nextSequence);
    this.records = new PinRecords(secret);
  }

  /** All that other control planes know of it is here, or has been waited for long enough. */
  get isWarm(): boolean {
    return this.expected.size === 0 || this.nowMs() >= this.expectedUntilMs;
  }

  expect(other: Follower): void {
    if (this.expected.size === 0) this.expectedUntilMs = this.nowMs() + WARM_UP_MS;
    this.expected.add(other);
  }

  warmed(other: Follower): void {
    this.expected.delete(other);
  }

  /**
   * Takes what a follower has sent.
   *
   * @param source undefined: as the records say
   * @returns sessions for which there was a better pin here, which the follower has to be told of, and how many of its
   *   records could not be read
   */
  publish({ peer: from }: Follower, records: Buffer, source?: number): Published {
    const nowMs = this.nowMs();
    const { sessions, damaged } = this.records.read(records);
    const lost: BookEntry[] = [];
    let taken = 0;
    for (const session of sessions) {
      const result = this.book.merge(source === undefined ? session : { ...session, source }, nowMs);
      if (result === 'lost') lost.push(this.book.find(session.hash) as BookEntry);
      if (result !== 'taken' && result !== 'used') continue;
      taken++;
      this.lastChange = this.book.find(session.hash)?.sequence ?? this.lastChange;
      const other = this.changed.get(session.hash);
      this.changed.set(session.hash, other === undefined || other === from ? from : SEVERAL);
    }
    return { lost, damaged, taken };
  }

  /** Asks sidecars for sessions that are not known here: with a session store, most are not. */
  ask(sessions: readonly Pick<SharedSession, 'hash' | 'tag'>[]): void {
    const named = sessions.map(({ hash, tag }) => ({ hash, tag, pin: NO_PIN, idleS: 0, source: OWN_SOURCE }));
    const response = RESPONSE.encode({
      wanted: [{ service: this.name, records: this.records.write(named) }],
    });
    for (const follower of this.followers) follower.onWanted(response);
  }

  /** Unpins a session, everywhere: a pin that holds nothing takes the place of its own. @returns whether it had one */
  forget(hash: bigint): boolean {
    const nowMs = this.nowMs();
    const present = this.book.find(hash);
    if (present === undefined) return false;
    const { pin, tag } = present;
    this.book.merge({ hash, pin: unpinned(pin), idleS: 0, source: OWN_SOURCE, tag }, nowMs);
    this.lastChange = this.book.find(hash)?.sequence ?? this.lastChange;
    this.changed.set(hash, SEVERAL);
    return true;
  }

  /** Passes on what has changed since the last call. */
  relay(sequence: number): void {
    if (this.changed.size === 0) return;
    const entries = [...this.changed.keys()].flatMap((hash) => this.book.find(hash) ?? []);
    const senders = new Set(this.changed.values());
    this.changed.clear();
    const [first] = senders;
    const from = senders.size === 1 && first !== SEVERAL ? first : undefined;
    const isWanted = [...this.followers].some(({ peer }) => peer !== from);
    const records = isWanted ? this.encode(entries) : NOTHING;
    for (const follower of this.followers) follower.onChanges(this, { records, sequence, from });
  }

  /** Passes on how endpoints look, where that has changed. */
  relayViews(): void {
    const { all, own } = this.views.changes(this.nowMs());
    const here = [...this.followers].filter(({ isReplica }) => isReplica !== true).length;
    const sidecars = this.views.sidecars(here);
    // A sidecar that is alone need not wait for others' views; how many others there are matters only with these.
    const alone = `${Math.min(here, 2)} of ${Math.min(sidecars, 2)}`;
    if (all.length === 0 && alone === this.toldAlone) return;
    this.toldAlone = alone;
    const forSidecars = this.viewsMessage(sidecars, all);
    const forReplicas = this.viewsMessage(here, own);
    for (const follower of this.followers)
      follower.onViews(follower.isReplica === true ? forReplicas : forSidecars);
  }

  private viewsMessage(sidecars: number, endpoints: readonly ToldCounts[]): Buffer {
    return RESPONSE.encode({ views: [{ service: this.name, sidecars, endpoints }] });
  }

  encode(entries: readonly BookEntry[]): Buffer {
    const nowMs = this.nowMs();
    const sessions = entries.map(
      ({ hash, pin, usedAtMs, source, tag }): SharedSession => ({
        hash,
        pin,
        idleS: Math.max(0, Math.round((nowMs - usedAtMs) / 1000)),
        source,
        tag,
      }),
    );
    return this.records.write(sessions);
  }
}

export interface Published {
  readonly lost: readonly BookEntry[];
  readonly damaged: number;
  readonly taken: number;
}

const NO_PIN = { release: 0, endpoint: 0, label: false, generation: 0, revision: 0 };
/** No follower's name. */
const SEVERAL = '';
/** How long a sidecar is made to wait for what other control planes know. */
const WARM_UP_MS = 150;
const NOTHING = Buffer.alloc(0);
