import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { ANSWER_BYTES, SMALL_ANSWER } from '../workloads.js';
import { CHUNKS, FAULT_HEADER, parseFault, podNumber } from './faults.js';

/**
 * One pod of the soak, a process of its own, so that it can be killed. Under `/api` a small answer, under `/blob` a
 * large one, under `/chunked` one in chunks; faults as the request asks for them.
 */

const SMALL = Buffer.from(SMALL_ANSWER);
const BLOB = Buffer.alloc(ANSWER_BYTES.blob, 'x');
/** From half a response to the reset, so that the half is on its way. */
const CUT_AFTER_MS = 10;

function answer(name: string, request: IncomingMessage, response: ServerResponse): void {
  const fault = parseFault(request.headers[FAULT_HEADER] as string | undefined);
  if (fault?.kind === 'reset' && fault.pod === podNumber(name)) {
    request.socket.resetAndDestroy();
    return;
  }
  const body = request.url?.startsWith('/blob') ? BLOB : SMALL;
  const chunked = request.url?.startsWith('/chunked') === true;
  response.setHeader('x-served-by', name);
  if (!chunked) response.setHeader('content-length', body.length);
  if (fault?.kind === 'cut') {
    response.write(body.subarray(0, body.length >> 1));
    setTimeout(() => request.socket.resetAndDestroy(), CUT_AFTER_MS);
    return;
  }
  if (chunked) for (let i = 1; i < CHUNKS; i++) response.write(body);
  response.end(body);
}

const [name, port] = process.argv.slice(2) as [string, string];
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => answer(name, request, response));
});
// Connections end where the sidecar ends them: every reset is one that was asked for.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen({ host: '127.0.0.1', port: Number(port), backlog: 4096 });
