import { SESSION_BOUNDS, SessionHub } from '../../../control-plane/sessions/session-hub.js';
import type { SharingHandlers } from '../../../sidecar/session/sharing/sharing-stream.js';
import type { RelayFacts } from '../oracle/pin-ledger.js';
import type { Random } from '../random.js';
import type { SharingParts } from '../sharing-mutants.js';
import { MemoryTransport } from './memory-transport.js';

/** How often sidecars and the hub look for what there is to send, in milliseconds: as in production. */
export const TICK_MS = 50;
/** How often, for each step: the way of some sidecars to the hub breaks; the control plane restarts, empty. */
const CHANCE = { cut: 0.05, restart: 0.02 };
const CUT = { leastMs: 500, mostMs: 60_000, largestShare: 0.5 };
/** How long sidecars take to come back to a control plane that has restarted. */
const RECONNECT_MS = 3000;
/** One way, in milliseconds; a few sidecars are far away. */
const DELAY = { usual: 40, far: 250, farShare: 0.05 };

interface Link {
  transport: MemoryTransport | undefined;
  /** Infinity: the way is broken, or nobody is there. */
  upSinceMs: number;
  /** When it works again; 0: it is not broken. */
  cutUntilMs: number;
  delayMs: number;
}

export interface RelayOptions {
  readonly sidecars: number;
  readonly random: Random;
  readonly parts: SharingParts;
  /** Sessions there may be at most: nothing is to be lost for want of room. */
  readonly sessions: number;
  secretOf(service: string): Buffer | undefined;
  nowMs(): number;
}

/** The way on which pins travel between sidecars: the production hub, with delays, losses and restarts. */
export class Relay implements RelayFacts {
  hubSinceMs: number;
  readonly changes = { 'relay cut': 0, 'control plane restarted': 0 };
  private hub: SessionHub;
  private readonly links: readonly Link[];
  private onItsWay: { readonly dueMs: number; deliver(): void }[] = [];

  constructor(private readonly options: RelayOptions) {
    const { sidecars, random, nowMs } = options;
    this.hub = this.newHub();
    this.hubSinceMs = nowMs();
    this.links = Array.from({ length: sidecars }, () => ({
      transport: undefined,
      upSinceMs: Number.POSITIVE_INFINITY,
      cutUntilMs: 0,
      delayMs: random.below(random.chance(DELAY.farShare) ? DELAY.far : DELAY.usual),
    }));
  }

  upSinceMs(sidecar: number): number {
    return this.link(sidecar).upSinceMs;
  }

  /** The way of a sidecar that starts. */
  connect(sidecar: number, handlers: SharingHandlers): MemoryTransport {
    const link = this.link(sidecar);
    const isCut = link.cutUntilMs > 0;
    const { nowMs, parts } = this.options;
    link.upSinceMs = isCut ? Number.POSITIVE_INFINITY : nowMs();
    link.transport = new MemoryTransport({
      hub: () => this.hub,
      handlers: parts.received(sidecar, handlers),
      carry: (deliver) => this.onItsWay.push({ dueMs: nowMs() + link.delayMs, deliver }),
      isCut,
    });
    return link.transport;
  }

  /** A sidecar is gone. */
  disconnect(sidecar: number): void {
    const link = this.link(sidecar);
    link.transport = undefined;
    link.upSinceMs = Number.POSITIVE_INFINITY;
  }

  /** The way to a sidecar is broken until then. */
  cut(sidecar: number, untilMs: number): void {
    const link = this.link(sidecar);
    link.cutUntilMs = Math.max(link.cutUntilMs, untilMs);
    if (link.upSinceMs === Number.POSITIVE_INFINITY) return;
    link.upSinceMs = Number.POSITIVE_INFINITY;
    link.transport?.cut();
  }

  /** Breaks something, now and then. @returns whether the hub has lost what it knew */
  step(): boolean {
    const { random, nowMs } = this.options;
    if (random.chance(CHANCE.cut)) {
      this.changes['relay cut']++;
      const [share, untilMs] = [
        random.next() * CUT.largestShare,
        nowMs() + random.between(CUT.leastMs, CUT.mostMs),
      ];
      this.links.forEach((_, sidecar) => {
        if (random.chance(share)) this.cut(sidecar, untilMs);
      });
    }
    if (!random.chance(CHANCE.restart)) return false;
    this.restart();
    return true;
  }

  /** Delivers what is due, mends what is, and lets the hub pass on what has changed. */
  tick(): void {
    const { nowMs } = this.options;
    const now = nowMs();
    for (const link of this.links) {
      if (link.cutUntilMs === 0 || link.cutUntilMs > now) continue;
      link.cutUntilMs = 0;
      if (link.transport === undefined) continue;
      link.upSinceMs = now;
      link.transport.restore();
    }
    const waiting = this.onItsWay;
    this.onItsWay = [];
    for (const each of waiting) {
      if (each.dueMs <= now) each.deliver();
      else this.onItsWay.push(each);
    }
    this.hub.tick();
  }

  close(): void {
    this.hub.close();
  }

  private restart(): void {
    const { random, nowMs } = this.options;
    this.changes['control plane restarted']++;
    this.links.forEach((_, sidecar) => {
      this.cut(sidecar, nowMs() + random.between(1, RECONNECT_MS));
    });
    this.hub.close();
    this.hub = this.newHub();
    this.hubSinceMs = nowMs();
  }

  private newHub(): SessionHub {
    const { secretOf, nowMs, sessions } = this.options;
    const room = Math.max(SESSION_BOUNDS.all, 4 * sessions);
    return new SessionHub({ secretOf, nowMs, bounds: { perService: room, all: room } });
  }

  private link(sidecar: number): Link {
    return this.links[sidecar] as Link;
  }
}
