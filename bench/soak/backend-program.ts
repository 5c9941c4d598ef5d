import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { ANSWER_BYTES, SMALL_ANSWER } from '../workloads.js';
import { CHUNKS, FAULT_HEADER, parseFault, podNumber } from './faults.js';

/**
 * One pod of the soak, a process of its own, so that it can be killed, on raw sockets, to leave the cores to others.
 * Under `/api` a small answer, under `/blob` a large one, under `/chunked` one in chunks; faults as the request asks
 * for them. It knows just the requests that the soak sends; nobody pipelines. With files of a certificate and its key
 * it speaks TLS.
 */

const END_OF_HEAD = '\r\n\r\n';
const LAST_CHUNK = '0\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;
const FAULT = new RegExp(`\\r\\n${FAULT_HEADER}: *([^\\r]*)`, 'i');
/** From half a response to the reset, so that the half is on its way. */
const CUT_AFTER_MS = 10;

const [name, port, certFile, keyFile] = process.argv.slice(2) as [string, string, string?, string?];
const HEAD = `HTTP/1.1 200 OK\r\nServer: soak\r\nx-served-by: ${name}\r\n`;
const CHUNK = `${SMALL_ANSWER.length.toString(16)}\r\n${SMALL_ANSWER}\r\n`;
const ANSWERS = {
  small: withLength(SMALL_ANSWER),
  blob: withLength('x'.repeat(ANSWER_BYTES.blob)),
  chunked: Buffer.from(`${HEAD}Transfer-Encoding: chunked${END_OF_HEAD}${CHUNK.repeat(CHUNKS)}${LAST_CHUNK}`),
};

function withLength(body: string): Buffer {
  return Buffer.from(`${HEAD}Content-Length: ${body.length}${END_OF_HEAD}${body}`);
}

const secureContext =
  certFile === undefined || keyFile === undefined
    ? undefined
    : createSecureContext({ cert: readFileSync(certFile), key: readFileSync(keyFile) });

function accept(transport: Socket): void {
  serve(secureContext ? new TLSSocket(transport, { isServer: true, secureContext }) : transport, transport);
}

/** @param transport what can be reset */
function serve(socket: Socket, transport: Socket): void {
  let text = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1');
    const end = text.indexOf(END_OF_HEAD);
    if (end === -1 || !isComplete(text, end + END_OF_HEAD.length)) return;
    const head = text.slice(0, end);
    text = '';
    answer(socket, transport, head);
  });
}

function isComplete(text: string, bodyStart: number): boolean {
  const head = text.slice(0, bodyStart);
  if (CHUNKED.test(head)) return text.endsWith(LAST_CHUNK);
  return text.length >= bodyStart + Number(CONTENT_LENGTH.exec(head)?.[1] ?? 0);
}

function answer(socket: Socket, transport: Socket, head: string): void {
  const fault = parseFault(FAULT.exec(head)?.[1]);
  if (fault?.kind === 'reset' && fault.pod === podNumber(name)) {
    transport.resetAndDestroy();
    return;
  }
  const bytes = answerTo(head.slice(head.indexOf(' ') + 1));
  if (fault?.kind !== 'cut') {
    socket.write(bytes);
    return;
  }
  socket.write(bytes.subarray(0, bytes.length - SMALL_ANSWER.length / 2));
  setTimeout(() => transport.resetAndDestroy(), CUT_AFTER_MS);
}

function answerTo(target: string): Buffer {
  if (target.startsWith('/blob')) return ANSWERS.blob;
  return target.startsWith('/chunked') ? ANSWERS.chunked : ANSWERS.small;
}

createServer({ noDelay: true }, accept).listen({ host: '127.0.0.1', port: Number(port), backlog: 4096 });
