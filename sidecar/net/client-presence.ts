import type { Socket } from 'node:net';
import { peerIp } from '../../src/net/ip-address.js';
import type { SocketPair } from './socket-table.js';

/**
 * Whether the client of the request that is under way still waits for its answer. It is taken to be there until it ends
 * its side; from then on it may have left, unless it is seen to have its socket open.
 */
export class ClientPresence {
  /** Since when it may have left; 0: it has not ended its side, or was seen to be there since. */
  private doubtfulSinceMs = 0;

  /** A request has come. */
  begin(): void {
    this.doubtfulSinceMs = 0;
  }

  /** The client has ended its side. */
  ended(nowMs: number): void {
    this.doubtfulSinceMs ||= nowMs;
  }

  /** The client has its socket open. */
  seen(): void {
    this.doubtfulSinceMs = 0;
  }

  /** @param limitMs 0: none */
  isOverdue(nowMs: number, limitMs: number): boolean {
    return this.doubtfulSinceMs !== 0 && limitMs !== 0 && nowMs - this.doubtfulSinceMs >= limitMs;
  }
}

/** Undefined: it is not connected any more. */
export function socketPairOf({
  localAddress,
  localPort,
  remoteAddress,
  remotePort,
}: Socket): SocketPair | undefined {
  if (localPort === undefined || remotePort === undefined) return undefined;
  const [localIp, remoteIp] = [peerIp({ remoteAddress: localAddress }), peerIp({ remoteAddress })];
  return { localIp, localPort, remoteIp, remotePort };
}
