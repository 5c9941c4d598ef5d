import { BackOff } from '../../../src/lifecycle/back-off.js';
import { createRedisCommands, LAST_BYTE, type RedisCommands } from './redis-commands.js';
import { type RedisOptions, readAccess } from './redis-options.js';
import type { ConnectionEvents, Replacement, StoreClient } from './store-client.js';
import { STORE_CLOCK } from './store-clock.js';
import { within } from './store-failures.js';

const FIRST_WAIT_MS = 100;
const LAST_WAIT_MS = 10_000;
/** A connection that has lasted for so long was a good one: the next one is made without a long wait. */
const GOOD_AFTER_MS = 10_000;
/** For the whole of it: finding the nodes of a cluster, TLS, and being let in. */
const CONNECT_MS = 3000;
/** What is there and is no pin. */
const NO_PIN = Buffer.alloc(0);

/**
 * A connection to Redis or Valkey, or to a cluster of them. Every attempt is made with a new client of the library, and
 * reads password and certificates again: the name may lead elsewhere by then, and the secrets may have been changed.
 */
export class RedisClient implements StoreClient {
  private readonly backOff = new BackOff(FIRST_WAIT_MS, LAST_WAIT_MS);
  private current: RedisCommands | undefined;
  private isConnected = false;
  private connectedAtMs = 0;
  private waiting: NodeJS.Timeout | undefined;
  private isClosed = false;
  private events: ConnectionEvents | undefined;

  /** @throws OperatorError where a file that the options name cannot be read */
  constructor(private readonly options: RedisOptions) {
    readAccess(options);
  }

  get isReady(): boolean {
    return this.isConnected;
  }

  open(events: ConnectionEvents): void {
    this.events = events;
    void this.dial();
  }

  partOf(key: string): string {
    return this.current?.nodeOf(key) ?? '';
  }

  async get(key: string): Promise<Buffer | undefined> {
    try {
      const value = await this.commands.getRange(key, 0, LAST_BYTE);
      return value.length === 0 ? undefined : value;
    } catch (error) {
      if ((error as Error).message.startsWith('WRONGTYPE')) return NO_PIN;
      throw error;
    }
  }

  async replace(key: string, replacement: Replacement): Promise<Buffer | undefined> {
    return (await this.commands.replacePin(key, replacement)) ?? undefined;
  }

  async touch(key: string, ttlMs: number): Promise<void> {
    await this.commands.touchPin(key, ttlMs);
  }

  reset(cause: Error): void {
    if (this.isConnected && this.current !== undefined) this.lost(this.current, cause);
  }

  close(): void {
    this.isClosed = true;
    this.isConnected = false;
    clearTimeout(this.waiting);
    this.current?.destroy();
  }

  private get commands(): RedisCommands {
    if (!this.isConnected || this.current === undefined) throw new Error('not connected');
    return this.current;
  }

  private async dial(): Promise<void> {
    let made: RedisCommands | undefined;
    try {
      const library = await import('@redis/client');
      if (this.isClosed) return;
      const access = readAccess(this.options);
      const commands = createRedisCommands(library, this.options, access, (cause) =>
        this.lost(commands, cause),
      );
      made = commands;
      this.current = made;
      await within(CONNECT_MS, STORE_CLOCK, made.connect());
      if (this.current === made) this.ready();
    } catch (error) {
      if (made === undefined) this.failed(error as Error);
      else this.lost(made, error as Error);
    }
  }

  private ready(): void {
    this.isConnected = true;
    this.connectedAtMs = performance.now();
    this.events?.onReady();
  }

  /** Reports the end of a connection once, although several parts may notice it. */
  private lost(commands: RedisCommands, cause: Error): void {
    if (this.current !== commands) return;
    this.current = undefined;
    const wasGood = this.isConnected && performance.now() - this.connectedAtMs > GOOD_AFTER_MS;
    if (wasGood) this.backOff.reset();
    this.isConnected = false;
    commands.destroy();
    this.failed(cause);
  }

  private failed(cause: Error): void {
    if (this.isClosed) return;
    this.events?.onLost(cause);
    this.waiting = setTimeout(() => void this.dial(), this.backOff.next());
  }
}
