import type { Socket } from 'node:net';

/** What every client says first: RFC 9113 section 3.4, the preface and the frame header of its settings. */
const GREETING_BYTES = 24 + 9;

/** A client that has not greeted by then is let go. */
export const GREETING_TIMEOUT_MS = 10_000;

/** Closes a connection on which no HTTP/2 greeting comes in time: gRPC pings only those that have greeted it. */
export function closeUngreeted(socket: Socket, timeoutMs = GREETING_TIMEOUT_MS): void {
  const timer = setTimeout(() => {
    if (socket.bytesRead < GREETING_BYTES) socket.destroy();
  }, timeoutMs).unref();
  socket.on('close', () => clearTimeout(timer));
}
