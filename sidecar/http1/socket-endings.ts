import type { Socket } from 'node:net';

/** How long a peer that takes nothing keeps our last bytes waiting. */
const TAKE_MS = 10_000;

/** Ends a connection at once, with a reset where there is still something to reset: the peer must not take it for an end. */
export function reset(socket: Socket): void {
  // A socket that is connecting would first finish that; one whose end is on its way cannot be reset any more.
  if (socket.connecting || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Ends a connection once the peer has taken what was written. */
export function closeWhenTaken(socket: Socket): void {
  socket.setTimeout(TAKE_MS, () => socket.destroy());
  socket.destroySoon();
}
