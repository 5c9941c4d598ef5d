import { connect } from 'node:net';
import type { SocketAddress } from '../../src/model/formats.js';

/**
 * Opens a connection and ends it at once.
 *
 * @param done told once: undefined where there was a connection, else why there was none
 * @returns gives up, telling nothing
 */
export function tryConnect(
  { host, port }: SocketAddress,
  timeoutMs: number,
  done: (failure: string | undefined) => void,
): () => void {
  const socket = connect({ host, port, timeout: timeoutMs });
  let told = false;
  const finish = (failure: string | undefined) => {
    socket.destroy();
    if (told) return;
    told = true;
    done(failure);
  };
  socket.unref();
  socket.once('connect', () => finish(undefined));
  socket.once('timeout', () => finish(`no connection within ${timeoutMs} ms`));
  socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  return () => {
    told = true;
    socket.destroy();
  };
}
