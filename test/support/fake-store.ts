import { PinStore } from '../../sidecar/session/store/pin-store.js';
import type { ConnectionEvents, Replacement, StoreClient } from '../../sidecar/session/store/store-client.js';
import type { StoreClock } from '../../sidecar/session/store/store-clock.js';
import { PinRecords } from '../../src/sessions/pin-records.js';
import type { SharedPin, SharedSession } from '../../src/sessions/shared-pin.js';

/** A clock that a test moves. */
export class FakeClock implements StoreClock {
  private ms = 1_000_000;
  private timers: { atMs: number; then: () => void }[] = [];

  nowMs(): number {
    return this.ms;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { atMs: this.ms + ms, then };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  get waiting(): number {
    return this.timers.length;
  }

  /** Lets time pass, and what is waited for meanwhile happen. */
  async pass(ms: number): Promise<void> {
    const endMs = this.ms + ms;
    await settled();
    for (;;) {
      const next = this.timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((other) => other !== next);
      this.ms = Math.max(this.ms, next.atMs);
      next.then();
      await settled();
    }
    this.ms = endMs;
  }
}

/** How a database behaves: it works, says nothing, or refuses with these words. */
type Manner = 'works' | 'silent' | { readonly refuses: string };

const DEAD: Manner = { refuses: 'The client is offline' };

/** A database of a test's own, without a network. */
export class FakeStoreClient implements StoreClient {
  isReady = false;
  reads: Manner = 'works';
  writes: Manner = 'works';
  readonly values = new Map<string, Buffer>();
  readonly ttls = new Map<string, number>();
  readonly asked: string[] = [];
  replaced = 0;
  readonly touched: string[] = [];
  readonly resets: string[] = [];
  isClosed = false;
  /** Of a cluster. */
  nodeOf = (_key: string) => '';
  readonly deadNodes = new Set<string>();
  /** Called before a replacement is looked at: another sidecar comes first. */
  beforeReplace: ((key: string) => void) | undefined;
  private events: ConnectionEvents | undefined;

  open(events: ConnectionEvents): void {
    this.events = events;
  }

  connect(): void {
    this.isReady = true;
    this.events?.onReady();
  }

  lose(cause: string): void {
    this.isReady = false;
    this.events?.onLost(new Error(cause));
  }

  partOf(key: string): string {
    return this.nodeOf(key);
  }

  get(key: string): Promise<Buffer | undefined> {
    this.asked.push(key);
    return this.answer(this.deadNodes.has(this.nodeOf(key)) ? DEAD : this.reads, () => this.values.get(key));
  }

  replace(key: string, { expected, value, ttlMs }: Replacement): Promise<Buffer | undefined> {
    this.replaced++;
    return this.answer(this.deadNodes.has(this.nodeOf(key)) ? DEAD : this.writes, () => {
      this.beforeReplace?.(key);
      const present = this.values.get(key);
      if (present !== undefined && !present.equals(value) && !(expected && present.equals(expected)))
        return present;
      this.values.set(key, value);
      this.ttls.set(key, ttlMs);
      return undefined;
    });
  }

  touch(key: string): Promise<void> {
    return this.answer(this.writes, () => {
      this.touched.push(key);
    });
  }

  reset(cause: Error): void {
    this.resets.push(cause.message);
  }

  close(): void {
    this.isClosed = true;
  }

  private answer<T>(manner: Manner, answer: () => T): Promise<T> {
    if (manner === 'silent') return new Promise(() => {});
    return manner === 'works' ? Promise.resolve(answer()) : Promise.reject(new Error(manner.refuses));
  }
}

export const RECORDS = new PinRecords(Buffer.alloc(32, 7));
export const TTL_MS = 3_600_000;

export function sharedSession(hash: bigint, pin: Partial<SharedPin> = {}): SharedSession {
  const { label = false } = pin;
  // As pins of each kind have them, see `src/routing/pins.ts`.
  const endpoint = (label ? 2 : 1) * 2 ** 48 + 12;
  const whole = { release: 11, endpoint, label, generation: 0, revision: 5, ...pin };
  return { hash, pin: whole, idleS: 0, source: 0, tag: 77 };
}

/** A store over a database of the test's own; `settle` lets what has been started come to rest. */
export function fakeStore({ isConnected = true } = {}) {
  const [clock, client] = [new FakeClock(), new FakeStoreClient()];
  const log: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const conflicts: SharedSession[] = [];
  const seen = { gaps: 0 };
  const note = (level: string) => (fields: unknown, message?: string) =>
    void log.push({ level, fields: fields as Record<string, unknown>, message: message ?? '' });
  const store = new PinStore({
    client,
    clock,
    timeoutMs: 20,
    name: 'redis://store:6379',
    log: { info: note('info'), warn: note('warn') } as never,
    events: {
      onConflict: (_service, session) => void conflicts.push(session),
      onGap: () => void seen.gaps++,
    },
  });
  if (isConnected) client.connect();
  return {
    store,
    client,
    clock,
    log,
    conflicts,
    seen,
    find: (hash: bigint) => store.find(RECORDS, 'checkout.shop', hash, TTL_MS),
    write: (...sessions: SharedSession[]) => store.write(RECORDS, 'checkout.shop', sessions, TTL_MS),
  };
}

/** All that follows from what has been settled already. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
