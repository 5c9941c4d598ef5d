import { type Dialled, dial } from './dial.js';

/**
 * Opens a connection and ends it at once.
 *
 * @param done told once: undefined where there was a connection, else why there was none
 * @returns gives up, telling nothing
 */
export function tryConnect(
  endpoint: Dialled,
  timeoutMs: number,
  done: (failure: string | undefined) => void,
): () => void {
  const { socket, ready } = dial(endpoint);
  socket.setTimeout(timeoutMs);
  let told = false;
  const finish = (failure: string | undefined) => {
    socket.destroy();
    if (told) return;
    told = true;
    done(failure);
  };
  socket.unref();
  socket.once(ready, () => finish(undefined));
  socket.once('timeout', () => finish(`no connection within ${timeoutMs} ms`));
  socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  return () => {
    told = true;
    socket.destroy();
  };
}
