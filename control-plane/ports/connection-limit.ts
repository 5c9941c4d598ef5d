import type { Socket } from 'node:net';
import type { Logger } from '../../src/telemetry/logger.js';
import { peerGroup } from '../access/peer-address.js';

/** Connections from one address; sidecars of a whole node may share one. */
export const MAX_CONNECTIONS_PER_ADDRESS = 20_000;
/** An address that has too many is told of in the log this often at most. */
const NOTE_INTERVAL_MS = 10_000;

interface AddressConnections {
  count: number;
  /** Those on which no call has been let in yet, oldest first. */
  readonly unproven: Set<Socket>;
}

/**
 * Keeps one address from taking all connections that this process can have. Many clients may share an address: where
 * it has too many connections, one gives way on which no call has been let in yet.
 */
export class ConnectionLimit {
  private readonly addresses = new Map<string, AddressConnections>();
  /** Not counted any more; one that gave way is closed a moment later. */
  private readonly left = new WeakSet<Socket>();
  private notedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly max: number,
    private readonly log: Logger,
  ) {}

  /** Counts a connection for as long as it is open. @returns false: there are too many, and it was closed */
  admit(socket: Socket): boolean {
    const address = peerGroup(socket.remoteAddress ?? '');
    const known = this.addresses.get(address) ?? { count: 0, unproven: new Set() };
    if (known.count >= this.max) {
      this.note(address);
      const [oldest] = known.unproven;
      if (oldest === undefined) {
        socket.destroy();
        return false;
      }
      this.leave(address, oldest);
      // Not in good order: it may have something to read that its client never will.
      oldest.resetAndDestroy();
    }
    known.count++;
    known.unproven.add(socket);
    this.addresses.set(address, known);
    socket.once('close', () => this.leave(address, socket));
    return true;
  }

  /** A call has been let in on it: it gives way to no other. */
  prove(socket: Socket): void {
    this.addresses.get(peerGroup(socket.remoteAddress ?? ''))?.unproven.delete(socket);
  }

  private leave(address: string, socket: Socket): void {
    const known = this.addresses.get(address);
    if (known === undefined || this.left.has(socket)) return;
    this.left.add(socket);
    known.unproven.delete(socket);
    if (--known.count === 0) this.addresses.delete(address);
  }

  private note(address: string): void {
    const now = performance.now();
    if (now - this.notedAt < NOTE_INTERVAL_MS) return;
    this.notedAt = now;
    this.log.warn(
      { peer: address, most: this.max },
      'too many connections from one address; those that have not been used give way, others are refused',
    );
  }
}
