import type { Test } from 'tap';
import type { Path } from './paths.js';
import { RawPeer } from './raw-peer.js';

const QUIET_TURNS = 100;

const PIECE = Buffer.alloc(65_536, 'b');

/** Writes a given number of bytes as fast as its socket takes them. */
export class Flow {
  sent = 0;

  constructor(
    private readonly peer: RawPeer,
    readonly total: number,
  ) {
    peer.socket.on('drain', () => this.pump());
    this.pump();
  }

  private pump(): void {
    const { socket } = this.peer;
    while (this.sent < this.total && !socket.destroyed) {
      const piece = PIECE.subarray(0, Math.min(PIECE.length, this.total - this.sent));
      this.sent += piece.length;
      if (!socket.write(piece)) return;
    }
  }
}

/**
 * Waits until a number does not change any more, or has reached a limit. What counts is not time but turns of the
 * sidecar: requests of somebody else go through it meanwhile.
 */
export async function settled(t: Test, path: Path, value: () => number, limit: number): Promise<number> {
  const other = await RawPeer.connect(t, path.sidecar.addresses.outbound);
  for (let quiet = 0, last = value(); quiet < QUIET_TURNS && value() < limit; quiet++) {
    other.send('GET / HTTP/1.1\r\nHost: nosuch.example\r\n\r\n');
    await other.message();
    if (value() !== last) quiet = 0;
    last = value();
  }
  other.destroy();
  return value();
}
