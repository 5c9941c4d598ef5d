import type { Socket } from 'node:net';

/** How long a peer that takes nothing keeps our last bytes waiting. */
const TAKE_MS = 10_000;

/**
 * Ends a connection at once, with a reset where there is still something to reset: the peer must not take it for an end.
 *
 * @param transport what carries a connection with TLS: Node resets nothing but TCP, and throws for the rest
 */
export function reset(socket: Socket, transport = socket): void {
  // A socket that is connecting would first finish that; one whose end is on its way cannot be reset any more.
  if (!socket.connecting && !socket.writableEnded) transport.resetAndDestroy();
  socket.destroy();
}

export function isEncrypted(socket: Socket): boolean {
  return 'encrypted' in socket;
}

/** Ends a connection once the peer has taken what was written. */
export function closeWhenTaken(socket: Socket): void {
  socket.setTimeout(TAKE_MS, () => socket.destroy());
  socket.destroySoon();
}
