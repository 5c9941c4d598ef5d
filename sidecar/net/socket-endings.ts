import type { Socket } from 'node:net';

/** How long a peer that takes nothing keeps our last bytes waiting. */
const TAKE_MS = 10_000;

/** How long a tunnel's socket is silent before the kernel asks whether the peer is there; Node has it ask 10 times, each second. */
const KEEP_ALIVE_MS = 60_000;

/** Has the kernel find out whether the peer of a connection that may be silent for long is there (RFC 9293 section 3.8.4). */
export function watchPeer(socket: Socket): void {
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
}

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
