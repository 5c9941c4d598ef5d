import type { Message } from '../../../src/xds/descriptors.js';
import { messages, text } from '../../../src/xds/fields.js';
import { FIRST_CALL_WAIT_MS, type FleetPins, type PinWait } from './fleet-pins.js';
import { ServicePins, type SharedAffinity, type SharedPinTable } from './service-pins.js';
import type { SharingHandlers, SharingTransport } from './sharing-stream.js';

export interface PinSharingOptions {
  connect(handlers: SharingHandlers): SharingTransport;
  /** Who this sidecar is: `id` tells it from every other. */
  readonly caller: { readonly id: string; readonly service: string; readonly namespace: string };
  readonly table: SharedPinTable;
  /** The affinity of a service, by its name `checkout.shop`; undefined: it is not known here, or shares no pins. */
  affinityOf(service: string): SharedAffinity | undefined;
  /** What sidecars make of endpoints. */
  readonly views: SharedViews;
  /** The session table's clock. */
  nowMs(): number;
  /** The external store's part in what the relay brings; not given: there is no store. */
  readonly stored?: StoredSessions;
  /**
   * False: only what it is told of is shared, never all that the table has. An external store has the rest, and has not
   * settled yet which of two new pins of a session wins.
   */
  readonly sharesAll?: boolean;
}

/** Sessions in an external store. */
export interface StoredSessions {
  /** An operator asks about a session that this sidecar's table does not have: it may be in the store. */
  onWanted(service: string, key: bigint): void;
  /** A session was unpinned, by an operator: the store must not bring its pin back. */
  onUnpinned(service: string, key: bigint): void;
}

/** What is said and heard of endpoints over the same stream. */
export interface SharedViews {
  /** Endpoints that this sidecar cannot use, while others can or have not said. */
  readonly disputed: number;
  /** @param hasViews the control plane passes views on */
  onGreeting(hasViews: boolean): void;
  onLost(): void;
  onResponse(services: readonly Message[]): void;
  /** What there is to be said now, as messages. */
  tick(): readonly object[];
}

export interface SharingCounts {
  sent: number;
  received: number;
  conflicts: number;
  damaged: number;
  /** Calls that waited for a service's pins. */
  waits: number;
}

/** Sessions sent in one message. */
const MOST_IN_MESSAGE = 4000;
/** Sessions that the control plane has not acknowledged; no more are sent beyond that. */
const MOST_UNACKNOWLEDGED = 100_000;
/** How long a pod that starts waits for its siblings' pins before it is ready. */
const START_WAIT_MS = 2000;
/** Services that siblings follow and that are not known here yet. */
const MOST_EXPECTED = 10_000;

/** A message on its way: what it was about. */
interface Sent {
  readonly number: number;
  readonly sentAtMs: number;
  readonly keys: readonly (readonly [ServicePins, readonly bigint[]])[];
  readonly count: number;
}

/**
 * Shares the pins of sessions that no cookie carries with the other sidecars that call the same services, by way of the
 * control plane (SEMANTICS S6). Requests never wait for it, but for a service's first call, and never for long.
 */
export class PinSharing implements FleetPins {
  readonly perService = true;
  readonly counts: SharingCounts = { sent: 0, received: 0, conflicts: 0, damaged: 0, waits: 0 };
  private readonly services = new Map<string, ServicePins>();
  private readonly stream: SharingTransport;
  /** Services that siblings follow and that are not known here yet. */
  private readonly expected = new Set<string>();
  private unacknowledged: Sent[] = [];
  private number = 0;
  private isGreeted = false;
  /** The last attempt to share pins has failed. */
  private isAway = false;
  private hasSettled = false;
  /** When the first configuration came into force. */
  private tableAtMs: number | undefined;

  constructor(private readonly options: PinSharingOptions) {
    this.stream = options.connect({
      hello: () => this.hello(),
      onResponse: (response) => this.onResponse(response),
      onOpen: () => {
        this.isAway = false;
      },
      onLost: () => this.onLost(),
    });
  }

  start(): void {
    this.stream.start();
  }

  close(): void {
    this.stream.close();
    this.releaseWaiting();
  }

  get isConnected(): boolean {
    return this.stream.isOpen;
  }

  get disputedEndpoints(): number {
    return this.options.views.disputed;
  }

  /** How long the oldest change has been on its way, in milliseconds. */
  get lagMs(): number {
    const oldest = this.unacknowledged[0];
    return oldest === undefined ? 0 : this.options.nowMs() - oldest.sentAtMs;
  }

  /** A pod that has just started has its siblings' pins, cannot have them, or has waited long enough. */
  get isSettled(): boolean {
    this.hasSettled ||= this.isAway || this.hasWaited || this.hasSiblingsPins;
    return this.hasSettled;
  }

  /** The sidecar goes on from what is on disk: it is ready at once, whether or not a control plane answers. */
  settle(): void {
    this.hasSettled = true;
  }

  private get hasWaited(): boolean {
    return this.tableAtMs !== undefined && this.options.nowMs() - this.tableAtMs > START_WAIT_MS;
  }

  private get hasSiblingsPins(): boolean {
    return this.isGreeted && [...this.services.values()].every(({ isComplete }) => isComplete);
  }

  /** Shares what this sidecar knows of the service from now on. @returns whether the service shares anything */
  joins(service: string): boolean {
    return this.follow(service) !== undefined;
  }

  /** A session has a new pin, or has been used for some time. */
  note(service: string, key: bigint): void {
    this.follow(service)?.note(key);
  }

  await(service: string, _key: bigint, resume: () => void): PinWait | undefined {
    const pins = this.follow(service);
    if (pins === undefined || pins.isComplete || !this.stream.isOpen) return undefined;
    const nowMs = this.options.nowMs();
    pins.awaitedUntilMs ??= nowMs + FIRST_CALL_WAIT_MS;
    if (nowMs >= pins.awaitedUntilMs) return undefined;
    this.counts.waits++;
    pins.waiting.add(resume);
    return { waitMs: pins.awaitedUntilMs - nowMs, cancel: () => void pins.waiting.delete(resume) };
  }

  /** Other services may be known now, or others' secrets. Called when the routing table has changed. */
  onTable(): void {
    this.tableAtMs ??= this.options.nowMs();
    for (const [name, pins] of this.services) {
      const affinity = this.options.affinityOf(name);
      if (affinity !== undefined && isSame(affinity, pins.affinity)) continue;
      this.services.delete(name);
      if (affinity !== undefined) this.follow(name)?.takeOver(pins);
      pins.release();
    }
    for (const name of this.expected) if (this.follow(name) !== undefined) this.expected.delete(name);
  }

  /** Sends what there is to send. Called on the coarse clock's tick. */
  tick(): void {
    const views = this.options.views.tick();
    if (views.length > 0) this.stream.write({ views });
    if (!this.stream.isOpen || this.unacknowledgedCount >= MOST_UNACKNOWLEDGED) return;
    const keys: (readonly [ServicePins, readonly bigint[]])[] = [];
    const pins: { service: string; records: Buffer }[] = [];
    let count = 0;
    for (const service of this.services.values()) {
      if (!service.hasMore) continue;
      const taken = service.take(MOST_IN_MESSAGE - count, this.options.nowMs());
      if (taken.sessions.length === 0) continue;
      count += taken.sessions.length;
      keys.push([service, taken.keys]);
      pins.push({ service: service.name, records: service.records.write(taken.sessions) });
    }
    if (count === 0) return;
    const number = ++this.number;
    this.unacknowledged.push({ number, sentAtMs: this.options.nowMs(), keys, count });
    this.counts.sent += count;
    this.stream.write({ pins, number });
  }

  private get unacknowledgedCount(): number {
    return this.unacknowledged.reduce((sum, { count }) => sum + count, 0);
  }

  private follow(name: string): ServicePins | undefined {
    const known = this.services.get(name);
    if (known !== undefined) return known;
    const affinity = this.options.affinityOf(name);
    if (affinity === undefined) return undefined;
    const pins = new ServicePins(name, affinity, this.options.table, this.options.sharesAll);
    this.services.set(name, pins);
    if (this.stream.isOpen) this.stream.write({ follow: [followMessage(pins)] });
    return pins;
  }

  private hello(): object {
    this.number = 0;
    return { caller: this.options.caller, follow: [...this.services.values()].map(followMessage) };
  }

  private onResponse(response: Message): void {
    const epoch = Number(response.epoch ?? 0);
    for (const batch of messages(response.pins))
      this.receive(text(batch.service), batch.records as Uint8Array);
    if (response.greeting === true) this.onGreeting(epoch, response.hasViews === true);
    this.options.views.onResponse(messages(response.views));
    for (const batch of messages(response.wanted))
      this.onWanted(text(batch.service), batch.records as Uint8Array);
    for (const name of response.siblingsFollow as readonly string[]) this.expect(name);
    for (const position of messages(response.positions)) this.onPosition(epoch, position);
    const taken = Number(response.taken ?? 0);
    if (taken > 0) this.unacknowledged = this.unacknowledged.filter(({ number }) => number > taken);
  }

  private receive(name: string, records: Uint8Array): void {
    const service = this.services.get(name);
    if (service === undefined) return;
    const { sessions, unpinned, conflicts, damaged } = service.receive(
      Buffer.from(records),
      this.options.nowMs(),
    );
    for (const key of unpinned) this.options.stored?.onUnpinned(name, key);
    this.counts.received += sessions;
    this.counts.conflicts += conflicts;
    this.counts.damaged += damaged;
  }

  /** An operator asks about sessions: what this sidecar knows of them it tells. */
  private onWanted(name: string, records: Uint8Array): void {
    const service = this.services.get(name);
    if (service === undefined) return;
    const { stored, table, nowMs } = this.options;
    for (const { hash } of service.records.read(Buffer.from(records)).sessions)
      if (table.peek(hash, nowMs()) !== undefined) service.note(hash);
      else stored?.onWanted(name, hash);
  }

  /** A control plane that has not known this sidecar before has lost what it was told, or is another one. */
  private onGreeting(epoch: number, hasViews: boolean): void {
    for (const service of this.services.values()) if (service.epoch !== epoch) service.sendAgain(false);
    this.isGreeted = true;
    this.options.views.onGreeting(hasViews);
  }

  /** Siblings call the service: calls through this sidecar will come, too. */
  private expect(name: string): void {
    if (this.follow(name) === undefined && this.expected.size < MOST_EXPECTED) this.expected.add(name);
  }

  private onPosition(epoch: number, position: Message): void {
    const service = this.services.get(text(position.service));
    if (service === undefined) return;
    service.epoch = epoch;
    service.sequence = Number(position.sequence ?? 0);
    if (position.wantsAll === true) service.sendAgain(true);
    if (position.complete === true) service.complete();
  }

  /** What the control plane may not have taken is sent again. No request waits any longer. */
  private onLost(): void {
    this.isAway = true;
    this.options.views.onLost();
    for (const { keys } of this.unacknowledged)
      for (const [{ name }, ofService] of keys)
        for (const key of ofService) this.services.get(name)?.note(key);
    this.unacknowledged = [];
    this.releaseWaiting();
  }

  private releaseWaiting(): void {
    for (const service of this.services.values()) service.release();
  }
}

function followMessage({ name, affinity, epoch, sequence }: ServicePins): object {
  return { service: name, ttlMs: affinity.ttlMs, epoch, sequence };
}

function isSame(a: SharedAffinity, b: SharedAffinity): boolean {
  const sameTags = a.tags.size === b.tags.size && [...a.tags].every((tag) => b.tags.has(tag));
  return a.ttlMs === b.ttlMs && sameTags && a.pinSecret.equals(b.pinSecret);
}
