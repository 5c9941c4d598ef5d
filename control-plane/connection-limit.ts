import type { Socket } from 'node:net';
import type { Logger } from '../src/telemetry/logger.js';
import { peerGroup } from './access/peer-address.js';

/** Connections from one address; sidecars of a whole node may share one. */
export const MAX_CONNECTIONS_PER_ADDRESS = 20_000;
/** A refused address is told of in the log this often at most. */
const NOTE_INTERVAL_MS = 10_000;

/** Keeps one address from taking all connections that this process can have. Holds a number for each address connected. */
export class ConnectionLimit {
  private readonly counts = new Map<string, number>();
  private notedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly max: number,
    private readonly log: Logger,
  ) {}

  /** Counts a connection for as long as it is open. @returns false: there are too many, and it was closed */
  admit(socket: Socket): boolean {
    const address = peerGroup(socket.remoteAddress ?? '');
    const count = this.counts.get(address) ?? 0;
    if (count >= this.max) {
      socket.destroy();
      this.note(address);
      return false;
    }
    this.counts.set(address, count + 1);
    socket.once('close', () => this.leave(address));
    return true;
  }

  private leave(address: string): void {
    const count = (this.counts.get(address) ?? 1) - 1;
    if (count === 0) this.counts.delete(address);
    else this.counts.set(address, count);
  }

  private note(address: string): void {
    const now = performance.now();
    if (now - this.notedAt < NOTE_INTERVAL_MS) return;
    this.notedAt = now;
    this.log.warn({ peer: address, most: this.max }, 'too many connections from one address; refused');
  }
}
