import type { View } from '../../src/sessions/endpoint-view.js';
import { RECORD_BYTES } from '../../src/sessions/pin-records.js';
import { sourceOf } from '../../src/sessions/shared-pin.js';
import { codec } from '../../src/xds/descriptors.js';
import type { BookEntry } from './pin-book.js';
import type { ChangeMessage, Follower, SharedService } from './shared-service.js';

/** Who is on the other end of a stream, as its first request says. */
export interface SharingCaller {
  readonly id: string;
  readonly service: string;
  readonly namespace: string;
  /** It is another control plane, which only listens. */
  readonly isReplica?: boolean;
  /** Where it comes from, whatever it calls itself; undefined: callers need no credentials. */
  readonly origin?: string | undefined;
}

/** Where a member's messages go. */
export interface MemberSink {
  /** @returns false: no more until {@link HubMember.onDrain} */
  write(message: Buffer): boolean;
  /** Stops reading what the member sends, and goes on. */
  pause(): void;
  resume(): void;
  end(): void;
}

export interface HubCounts {
  received: number;
  damaged: number;
  conflicts: number;
  /** Times that a member was made to wait because it sent too much. */
  delayed: number;
}

export interface MemberOptions {
  readonly epoch: number;
  readonly counts: HubCounts;
  nowMs(): number;
  /** The position of the newest change. */
  sequence(): number;
  serviceOf(name: string): SharedService | undefined;
  /** Told of every service that the member follows. */
  onFollow(service: string): void;
}

export interface FollowedService {
  readonly service: string;
  readonly ttlMs: number;
  readonly epoch: number;
  readonly sequence: number;
}

/** How many records a member may send in a second, and at once (a sidecar that has just connected sends all it has). */
export const RECORD_RATE = { perSecond: 20_000, burst: 200_000 } as const;
/** Services that one member may follow. */
export const MOST_FOLLOWED = 10_000;
const RECORDS_PER_MESSAGE = 2000;
const LONGEST_TTL_MS = 30 * 86_400_000;
/** Requests are acknowledged this often, in ticks of the hub. */
const ACKNOWLEDGE_EVERY_TICKS = 10;

/** How an endpoint looks to a member. */
export interface SentView {
  readonly service: string;
  /** The endpoint's digest. */
  readonly endpoint: number;
  readonly view: View;
}

export interface FamilyFollows {
  readonly family: string;
  readonly services: readonly string[];
}

interface Greeting {
  readonly siblingsFollow: readonly string[];
  readonly families: readonly FamilyFollows[];
}

/** What a member still has to be sent of a service before it is told of changes as they happen. */
interface CatchUp {
  readonly service: SharedService;
  readonly entries: readonly BookEntry[];
  /** What has been sent of them. */
  sent: number;
  /** Where the member is once it has all of them. */
  readonly sequence: number;
  readonly wantsAll: boolean;
}

const RESPONSE = codec('roost.v1.ShareResponse');

/**
 * One sidecar's stream. It is either at the head of a service, and gets every change as it happens, or it catches up:
 * a member that is slow to read holds no queue, but a position.
 */
export class HubMember implements Follower {
  /** What it calls itself. */
  readonly id: string;
  readonly peer: string;
  /** Sidecars of one service are siblings: they call the same services. */
  readonly family: string;
  private readonly source: number;
  /** Services of which it has all that is known here, while other control planes may know more. */
  private readonly incomplete = new Set<SharedService>();
  /** Positions, by service. */
  private readonly positions = new Map<SharedService, number>();
  private readonly catchUps = new Map<SharedService, CatchUp>();
  private readonly owed = new Map<SharedService, Map<bigint, BookEntry>>();
  private readonly tokens: RecordTokens;
  private isBlocked = false;
  private taken = 0;
  private acknowledged = 0;
  private ticks = 0;

  constructor(
    private readonly caller: SharingCaller,
    private readonly sink: MemberSink,
    private readonly options: MemberOptions,
  ) {
    this.family = `${caller.service}.${caller.namespace}`;
    const { id, isReplica, origin } = caller;
    this.id = id;
    this.peer = isReplica || origin === undefined ? id : `${origin} ${id}`;
    this.source = sourceOf(origin ?? id);
    this.tokens = new RecordTokens(options.nowMs());
  }

  /** Names of the services that it follows. */
  get followed(): readonly string[] {
    return [...this.positions.keys()].map(({ name }) => name);
  }

  /** Its first message. @param known who follows what: of its siblings, or for a control plane, of all sidecars */
  greet(known: Pick<Greeting, 'siblingsFollow'> | Pick<Greeting, 'families'>): void {
    this.write({ greeting: true, hasViews: true, ...known });
  }

  get isReplica(): boolean {
    return this.caller.isReplica === true;
  }

  /** For another control plane: sidecars of a service follow another one. */
  onFamilyFollows(family: string, service: string): void {
    this.write({ families: [{ family, services: [service] }] });
  }

  /** A sibling follows a service that it has not followed before. */
  onSiblingFollows(service: string): void {
    if (![...this.positions.keys()].some(({ name }) => name === service))
      this.write({ siblingsFollow: [service] });
  }

  close(): void {
    for (const service of this.positions.keys()) {
      service.followers.delete(this);
      // Its next stream may have been opened before this one was found dead.
      if (![...service.followers].some(({ peer }) => peer === this.peer)) service.views.leave(this.peer);
    }
    this.positions.clear();
    this.catchUps.clear();
  }

  /** Has the sidecar open another stream. */
  end(): void {
    this.sink.end();
  }

  follow({ service: name, ttlMs, epoch, sequence }: FollowedService): void {
    const service = this.positions.size < MOST_FOLLOWED ? this.options.serviceOf(name) : undefined;
    if (service === undefined) {
      this.write({ positions: [{ service: name, complete: true }] });
      return;
    }
    const { book } = service;
    book.ttlMs = Math.max(book.ttlMs, Math.min(ttlMs, LONGEST_TTL_MS));
    const wantsAll = this.isAskedForAll(service, epoch);
    service.followers.add(this);
    service.views.tellAgain();
    this.catchUp(service, epoch === this.options.epoch ? sequence : 0, wantsAll);
    this.pump();
    this.options.onFollow(name);
  }

  /**
   * A control plane that has restarted asks one sidecar for all pins that it has, not only for those that it made: the
   * first that has been told of the service's pins by another control plane. A sidecar that has just started may come
   * before it and know nothing.
   *
   * @param epoch of the control plane that has told the sidecar of the service; 0: none has
   */
  private isAskedForAll(service: SharedService, epoch: number): boolean {
    if (this.isReplica || service.refilling || epoch === this.options.epoch) return false;
    service.refilling = epoch !== 0;
    return service.refilling || service.book.size === 0;
  }

  /** @param number of the request that this is of */
  publish(batches: readonly { readonly service: string; readonly records: Buffer }[], number: number): void {
    const { counts, nowMs } = this.options;
    for (const { service: name, records } of batches) {
      const service = this.options.serviceOf(name);
      // A sidecar that does not follow a service has nothing to say of it.
      if (service === undefined || !this.positions.has(service)) continue;
      const { lost, damaged, taken } = service.publish(this, records, this.source);
      this.tokens.spend(records.length / RECORD_BYTES);
      counts.received += taken;
      counts.damaged += damaged;
      counts.conflicts += lost.length;
      for (const entry of lost) this.owe(service, entry);
    }
    this.taken = Math.max(this.taken, number);
    if (!this.tokens.isExhausted(nowMs())) return;
    counts.delayed++;
    this.sink.pause();
  }

  /** Takes how endpoints look to it. */
  takeViews(views: readonly SentView[]): void {
    const nowMs = this.options.nowMs();
    this.tokens.spend(views.length);
    if (this.isReplica) return;
    for (const { service: name, endpoint, view } of views) {
      const service = this.options.serviceOf(name);
      if (service === undefined || !this.positions.has(service)) continue;
      if (Number.isSafeInteger(endpoint)) service.views.take(this.peer, endpoint, view, nowMs);
    }
  }

  onViews(response: Buffer): void {
    if (!this.isBlocked && !this.sink.write(response)) this.isBlocked = true;
  }

  onWanted(response: Buffer): void {
    if (!this.isReplica && !this.isBlocked && !this.sink.write(response)) this.isBlocked = true;
  }

  onChanges(service: SharedService, { records, sequence, from }: ChangeMessage): void {
    if (this.isBlocked || this.catchUps.has(service)) return;
    this.positions.set(service, sequence);
    if (from === this.peer) return;
    this.write({
      pins: [{ service: service.name, records }],
      positions: [{ service: service.name, sequence }],
    });
  }

  onDrain(): void {
    this.isBlocked = false;
    for (const [service, position] of this.positions) {
      service.views.tellAgain();
      if (!this.catchUps.has(service)) this.catchUp(service, position, false);
    }
    this.pump();
  }

  /** What is due now and then. */
  tick(): void {
    if (!this.tokens.isExhausted(this.options.nowMs())) this.sink.resume();
    this.sendOwed();
    this.sendComplete();
    if (++this.ticks % ACKNOWLEDGE_EVERY_TICKS !== 0 || this.acknowledged === this.taken) return;
    this.acknowledged = this.taken;
    this.write({ taken: this.taken });
  }

  private owe(service: SharedService, entry: BookEntry): void {
    const ofService = this.owed.get(service) ?? new Map<bigint, BookEntry>();
    this.owed.set(service, ofService.set(entry.hash, entry));
  }

  private sendOwed(): void {
    if (this.isBlocked) return;
    for (const [service, entries] of this.owed) {
      const records = service.encode([...entries.values()]);
      this.write({ pins: [{ service: service.name, records }] });
    }
    this.owed.clear();
  }

  private sendComplete(): void {
    for (const service of this.incomplete) {
      if (!service.isWarm || this.isBlocked || this.catchUps.has(service)) continue;
      this.incomplete.delete(service);
      const sequence = this.positions.get(service) ?? 0;
      this.write({ positions: [{ service: service.name, sequence, complete: true }] });
    }
  }

  private catchUp(service: SharedService, position: number, wantsAll: boolean): void {
    const entries = service.book.since(position, this.options.nowMs());
    const sequence = this.options.sequence();
    this.positions.set(service, position);
    this.catchUps.set(service, { service, entries, sent: 0, sequence, wantsAll });
  }

  /** Sends what is missing for as long as the member takes it. */
  private pump(): void {
    for (const catchUp of this.catchUps.values()) {
      while (!this.isBlocked && this.catchUps.get(catchUp.service) === catchUp) this.sendPart(catchUp);
      if (this.isBlocked) return;
    }
  }

  private sendPart(catchUp: CatchUp): void {
    const { service, entries, sent, sequence, wantsAll } = catchUp;
    const part = entries.slice(sent, sent + RECORDS_PER_MESSAGE);
    catchUp.sent += part.length;
    const isLast = catchUp.sent >= entries.length;
    const pins = part.length === 0 ? [] : [{ service: service.name, records: service.encode(part) }];
    if (isLast) {
      this.catchUps.delete(service);
      this.positions.set(service, sequence);
    }
    const complete = service.isWarm || this.isReplica;
    if (isLast && !complete) this.incomplete.add(service);
    const positions = isLast ? [{ service: service.name, sequence, complete, wantsAll }] : [];
    this.write({ pins, positions });
    // What has changed meanwhile was not passed on.
    if (isLast && service.lastChange > sequence) this.catchUp(service, sequence, false);
  }

  private write(response: object): void {
    const { epoch } = this.options;
    if (!this.sink.write(RESPONSE.encode({ epoch, ...response }))) this.isBlocked = true;
  }
}

/** How many records may come. Time does not go backwards here: it is the process's own. */
class RecordTokens {
  private left: number = RECORD_RATE.burst;

  constructor(private filledAtMs: number) {}

  spend(records: number): void {
    this.left -= records;
  }

  isExhausted(nowMs: number): boolean {
    const more = ((nowMs - this.filledAtMs) / 1000) * RECORD_RATE.perSecond;
    this.filledAtMs = nowMs;
    this.left = Math.min(RECORD_RATE.burst, this.left + more);
    return this.left < 0;
  }
}
