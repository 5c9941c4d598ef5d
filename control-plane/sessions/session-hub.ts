import { randomBytes } from 'node:crypto';
import {
  type FamilyFollows,
  type HubCounts,
  HubMember,
  type MemberSink,
  MOST_FOLLOWED,
  type SharingCaller,
} from './hub-member.js';
import { type Follower, SharedService } from './shared-service.js';

export interface SessionHubOptions {
  /** The pin secret of a service, by its name `checkout.shop`; undefined: it has no sessions to share. */
  secretOf(service: string): Buffer | undefined;
  nowMs(): number;
  readonly bounds?: Partial<SessionBounds>;
}

export interface SessionBounds {
  /** Pins of one service. */
  readonly perService: number;
  /** Pins of all services. */
  readonly all: number;
}

export const SESSION_BOUNDS: SessionBounds = { perService: 100_000, all: 1_000_000 };

/** How long pins are gathered before they are passed on. */
const TICK_MS = 50;
const SWEEP_EVERY_TICKS = 200;
/** Members that have left and are remembered. */
const MOST_LEFT = 10_000;
/** Services at other control planes whose sidecars are known. */
const MOST_FAMILIES = 10_000;

/**
 * Relays pins between the sidecars that call a service, and keeps them for sidecars that start (SEMANTICS S6). What it
 * knows is gone when the control plane ends: sidecars tell the next one.
 */
export class SessionHub {
  /** Positions of another life of the hub mean nothing here. */
  readonly epoch = randomBytes(6).readUIntBE(0, 6) || 1;
  readonly counts: HubCounts = { received: 0, damaged: 0, conflicts: 0, delayed: 0 };
  private readonly services = new Map<string, SharedService>();
  private readonly members = new Set<HubMember>();
  /** When members left, by what they call themselves, in milliseconds since 1970. */
  private readonly left = new Map<string, number>();
  private readonly bounds: SessionBounds;
  private readonly timer: NodeJS.Timeout;
  /** What sidecars at other control planes follow, by the service that they run beside. */
  private readonly elsewhere = new Map<string, Set<string>>();
  private sequence = 0;
  private ticks = 0;
  /** Told of a service that a sidecar here is the first to follow. */
  onService: (service: SharedService) => void = () => {};

  constructor(private readonly options: SessionHubOptions) {
    this.bounds = { ...SESSION_BOUNDS, ...options.bounds };
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  close(): void {
    clearInterval(this.timer);
    this.members.clear();
    this.services.clear();
  }

  /** Pins kept, of all services. */
  get size(): number {
    let size = 0;
    for (const { book } of this.services.values()) size += book.size;
    return size;
  }

  /** Services of which pins are shared here. */
  get all(): Iterable<SharedService> {
    return this.services.values();
  }

  find(service: string): SharedService | undefined {
    return this.services.get(service);
  }

  get nowMs(): number {
    return this.options.nowMs();
  }

  /** Takes what another control plane knows. */
  relayFrom(other: Follower, service: string, records: Buffer): void {
    const published = this.services.get(service)?.publish(other, records);
    this.counts.damaged += published?.damaged ?? 0;
  }

  get memberCount(): number {
    return this.members.size;
  }

  /** A sidecar has opened a stream. */
  join(caller: SharingCaller, sink: MemberSink): HubMember {
    const member: HubMember = new HubMember(caller, sink, {
      epoch: this.epoch,
      counts: this.counts,
      nowMs: () => this.options.nowMs(),
      sequence: () => this.sequence,
      serviceOf: (name) => this.serviceOf(name),
      onFollow: (service) => this.onFollow(member, service),
    });
    member.greet(
      member.isReplica ? { families: this.families() } : { siblingsFollow: this.followedBy(member.family) },
    );
    this.members.add(member);
    return member;
  }

  /** Sidecars at another control plane follow these. */
  learnFamily({ family, services }: FamilyFollows): void {
    const known = this.elsewhere.get(family) ?? new Set();
    if (known.size === 0 && this.elsewhere.size === MOST_FAMILIES) return;
    this.elsewhere.set(family, known);
    for (const service of services) {
      if (known.has(service) || known.size === MOST_FOLLOWED) continue;
      known.add(service);
      for (const member of this.members) if (member.family === family) member.onSiblingFollows(service);
    }
  }

  private onFollow(member: HubMember, service: string): void {
    if (member.isReplica) return;
    const { family } = member;
    for (const other of this.members) {
      if (other === member) continue;
      if (other.isReplica) other.onFamilyFollows(family, service);
      else if (other.family === family) other.onSiblingFollows(service);
    }
  }

  private followedBy(family: string): string[] {
    const here = [...this.members].filter((member) => member.family === family);
    return [...new Set([...here.flatMap(({ followed }) => followed), ...(this.elsewhere.get(family) ?? [])])];
  }

  private families(): FamilyFollows[] {
    const sidecars = [...this.members].filter(({ isReplica }) => !isReplica);
    return [...new Set(sidecars.map(({ family }) => family))].map((family) => ({
      family,
      services: [...new Set(sidecars.flatMap((each) => (each.family === family ? each.followed : [])))],
    }));
  }

  /** What those who share pins call themselves. */
  get memberIds(): ReadonlySet<string> {
    return new Set([...this.members].map(({ id }) => id));
  }

  leftAtMs(id: string): number | undefined {
    return this.left.get(id);
  }

  /** Ends every stream: what is known of the services' secrets has changed. */
  endAll(): void {
    for (const member of this.members) member.end();
  }

  leave(member: HubMember): void {
    member.close();
    if (!this.members.delete(member)) return;
    this.left.set(member.id, Date.now());
    const [oldest] = this.left.keys();
    if (this.left.size > MOST_LEFT) this.left.delete(oldest as string);
  }

  /** Passes on what has changed. Runs by itself; tests call it. */
  tick(): void {
    const nowMs = this.options.nowMs();
    for (const service of this.services.values()) {
      service.relay(this.sequence);
      service.relayViews();
    }
    for (const member of this.members) member.tick();
    if (++this.ticks % SWEEP_EVERY_TICKS === 0) this.sweep(nowMs);
  }

  private serviceOf(name: string): SharedService | undefined {
    const known = this.services.get(name);
    const secret = this.options.secretOf(name);
    if (known !== undefined && secret?.equals(known.secret)) return known;
    if (known !== undefined) this.services.delete(name);
    if (secret === undefined) return undefined;
    const made = new SharedService(
      name,
      secret,
      this.bounds.perService,
      () => ++this.sequence,
      () => this.options.nowMs(),
    );
    this.services.set(name, made);
    this.onService(made);
    return made;
  }

  private sweep(nowMs: number): void {
    for (const [name, { book, followers, secret }] of this.services) {
      book.sweep(nowMs);
      const isCurrent = this.options.secretOf(name)?.equals(secret) === true;
      if (!isCurrent || (book.size === 0 && followers.size === 0)) this.services.delete(name);
    }
    while (this.size > this.bounds.all) {
      const books = [...this.services.values()].map(({ book }) => book);
      books.reduce((largest, book) => (book.size > largest.size ? book : largest)).makeRoom();
    }
  }
}
