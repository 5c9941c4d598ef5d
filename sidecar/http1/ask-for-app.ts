import { APP_PROBE } from '../http/app-refusal.js';
import { type Dialled, dial } from '../tls/dial.js';

/** Of the answer's head; a sidecar's is far shorter. */
const MAX_HEAD_BYTES = 16_384;
const END_OF_HEAD = '\r\n\r\n';

/**
 * Asks the sidecar at an address whether its app takes connections again. Whatever answers without denying it is taken
 * to be well: the address may be another's by now.
 *
 * @param done told once: undefined where there was an answer, else why there was none
 */
export function askForApp(
  endpoint: Dialled,
  timeoutMs: number,
  done: (failure: string | undefined) => void,
): void {
  const { socket, ready } = dial(endpoint);
  let answer = '';
  let told = false;
  const finish = (failure: string | undefined) => {
    socket.destroy();
    clearTimeout(timer);
    if (told) return;
    told = true;
    done(failure);
  };
  const timer = setTimeout(() => finish(`no answer within ${timeoutMs} ms`), timeoutMs).unref();
  socket.unref();
  socket.once(ready, () =>
    socket.write(`OPTIONS * HTTP/1.1\r\nHost: ${endpoint.host}\r\nConnection: close, ${APP_PROBE}\r\n\r\n`),
  );
  socket.on('data', (piece: Buffer) => {
    answer += piece.toString('latin1');
    const end = answer.indexOf(END_OF_HEAD);
    if (end !== -1) finish(verdictOf(answer.slice(0, end)));
    else if (answer.length > MAX_HEAD_BYTES) finish('the answer is too long');
  });
  socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  socket.once('close', () => finish('closed without an answer'));
}

function verdictOf(head: string): string | undefined {
  if (!head.startsWith('HTTP/1.')) return 'the answer is not HTTP';
  return /\r\nx-roost-error: connect-failure(?:\r\n|$)/i.test(head)
    ? 'the app refuses connections'
    : undefined;
}
