import { setTimeout as wait } from 'node:timers/promises';
import { MAX_MESSAGE_BYTES } from '../../sidecar/discovery/control-plane-channel.js';
import { ControlPlanes } from '../../sidecar/discovery/control-planes.js';
import { SessionTable } from '../../sidecar/session/session-table.js';
import { PinSharing } from '../../sidecar/session/sharing/pin-sharing.js';
import type { SharedPinTable } from '../../sidecar/session/sharing/service-pins.js';
import { SharingStream } from '../../sidecar/session/sharing/sharing-stream.js';
import { INSECURE } from '../../src/access/channel-security.js';
import type { SharedSession } from '../../src/sessions/shared-pin.js';
import { monotonicMs } from '../control-plane/lab.js';
import { type RelayMessage, type RelayTask, sessionNumber, sessionsOf } from './relay-plan.js';

/**
 * A process of simulated sidecars: each has a session table, a stream and a connection of its own, and the code that
 * shares pins in a real one. They pin new sessions at a steady rate, and note when they learn of the others'.
 */
const TTL_MS = 3_600_000;
const TABLE_SIZE = 100_000;
/** How often a sidecar sends what it has pinned: the tick of its coarse clock. */
const TICK_MS = 50;
/** Arrivals that are made together. */
const ARRIVALS_MS = 5;
const SETTLE_MS = 2500;

const task = JSON.parse(process.argv[2] ?? '{}') as RelayTask;
const sessions = sessionsOf(task);
const known = new Uint8Array(sessions);
const lastMs = new Float64Array(sessions);
const madeMs = new Float64Array(sessions);
const pinSecret = Buffer.from(task.pinSecret, 'base64');
let received = 0;
/** What the monotonic clock, the same in every process, is ahead of this process's own, which is cheaper to read. */
const aheadMs = monotonicMs() - performance.now();

/** A session table that notes when a session came from elsewhere. */
class WatchedTable extends SessionTable implements SharedPinTable {
  override merge(session: SharedSession, ttlMs: number, nowMs: number): boolean {
    const id = Number(session.hash & 0xffffffffn);
    known[id] = (known[id] as number) + 1;
    lastMs[id] = aheadMs + performance.now();
    received++;
    return super.merge(session, ttlMs, nowMs);
  }
}

class SimulatedSidecar {
  readonly sharing: PinSharing;
  private readonly table = new WatchedTable(TABLE_SIZE, 0);
  private made = 0;

  constructor(private readonly number: number) {
    const address = { host: '127.0.0.1', port: task.controlPlanePort };
    // Channels with equal options would share one connection.
    const controlPlanes = new ControlPlanes(
      [{ address, security: INSECURE }],
      Math.random,
      MAX_MESSAGE_BYTES + number,
    );
    const log = { info: console.error, warn: console.error };
    this.sharing = new PinSharing({
      connect: (handlers) => new SharingStream({ ...handlers, controlPlanes, log }),
      caller: { id: `pod-${number}`, service: 'frontend', namespace: 'shop' },
      table: this.table,
      views: { disputed: 0, onGreeting() {}, onLost() {}, onResponse() {}, tick: () => [] },
      affinityOf: () => ({ pinSecret, ttlMs: TTL_MS, tags: new Set([0]) }),
      nowMs: () => performance.now(),
    });
    this.sharing.start();
  }

  follow(): void {
    this.sharing.await(task.service, 0n, () => {});
  }

  async ticks(): Promise<void> {
    await wait((TICK_MS * this.number) / task.sidecars);
    setInterval(() => this.sharing.tick(), TICK_MS);
  }

  /** Pins new sessions until there are so many. */
  makeUpTo(count: number): void {
    for (; this.made < count; this.made++) {
      const id = sessionNumber(task, this.number, this.made);
      const hash = (BigInt(Math.imul(id + 1, 0x9e3779b1) >>> 0) << 32n) | BigInt(id);
      const pin = { release: 11, endpoint: 2 ** 40 + (id % 8), label: false, generation: 0, revision: 5 };
      this.table.set(hash, pin, performance.now());
      this.sharing.note(task.service, hash);
      known[id] = (known[id] as number) + 1;
      madeMs[id] = aheadMs + performance.now();
    }
  }
}

async function main(): Promise<void> {
  const sidecars = Array.from({ length: task.count }, (_, i) => new SimulatedSidecar(task.first + i));
  while (!sidecars.every(({ sharing }) => sharing.isConnected)) await wait(20);
  for (const sidecar of sidecars) {
    sidecar.follow();
    void sidecar.ticks();
  }
  await wait(500);
  const started = new Promise((resolve) => process.once('message', resolve));
  tell({ ready: true });
  await started;
  const cpu = process.cpuUsage();
  await makeSessions(sidecars);
  await wait(SETTLE_MS);
  const { user, system } = process.cpuUsage(cpu);
  const report = {
    known: base64(known),
    lastMs: base64(lastMs),
    madeMs: base64(madeMs),
    cpuMs: (user + system) / 1000,
    received,
  };
  process.send?.({ report } satisfies RelayMessage, () => process.exit(0));
}

async function makeSessions(sidecars: readonly SimulatedSidecar[]): Promise<void> {
  const each = sessions / task.sidecars;
  const start = performance.now();
  for (let made = 0; made < each; ) {
    made = Math.min(each, ((performance.now() - start) / 1000 / task.seconds) * each);
    // Not all in the same instant.
    sidecars.forEach((sidecar, i) => {
      sidecar.makeUpTo(Math.min(each, Math.floor(made + (made < each ? i / sidecars.length : 0))));
    });
    await wait(ARRIVALS_MS);
  }
}

function tell(message: RelayMessage): void {
  process.send?.(message);
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array | Float64Array): string {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64');
}

await main();
