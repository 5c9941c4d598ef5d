import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { ANSWER_BYTES, SMALL_ANSWER } from '../workloads.js';
import type { Backend, Backends } from './backends.js';

/**
 * The pods as one Node process on raw sockets, for machines without nginx. It knows just the requests that this
 * benchmark sends: bodies have a Content-Length, and nobody pipelines.
 */

const END_OF_HEAD = '\r\n\r\n';
const BLOB = 'x'.repeat(ANSWER_BYTES.blob);

function serve(pod: Backend, socket: Socket): void {
  let text = '';
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1');
    const end = text.indexOf(END_OF_HEAD);
    if (end === -1) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    if (text.length < end + END_OF_HEAD.length + length) return;
    const head = text.slice(0, end);
    text = '';
    socket.write(answerTo(head, pod), 'latin1');
  });
}

function answerTo(head: string, pod: Backend): string {
  const path = head.slice(head.indexOf(' ') + 1, head.indexOf(' ') + 6);
  if (path === '/blob') return response('application/octet-stream', BLOB, pod);
  if (path === '/echo') return response('application/json', echoOf(head), pod);
  return response('application/json', SMALL_ANSWER, pod);
}

function echoOf(head: string): string {
  const value = (name: string) => new RegExp(`\\r\\n${name}: *([^\\r]*)`, 'i').exec(head)?.[1] ?? '';
  return JSON.stringify({ for: value('x-forwarded-for'), id: value('x-request-id') });
}

function response(type: string, body: string, pod: Backend): string {
  return (
    `HTTP/1.1 200 OK\r\nServer: raw\r\nDate: ${new Date(0).toUTCString()}\r\nContent-Type: ${type}\r\n` +
    `Content-Length: ${body.length}\r\nConnection: keep-alive\r\nx-served-by: ${pod.name}\r\n` +
    `cache-control: private, max-age=0${END_OF_HEAD}${body}`
  );
}

function listen(server: Server, port: number): void {
  server.listen({ host: '127.0.0.1', port, backlog: 4096 });
}

const { pods, certificate } = JSON.parse(process.argv[2] ?? '{}') as Backends;
for (const pod of pods) {
  listen(
    createServer((socket) => serve(pod, socket)),
    pod.port,
  );
  if (pod.tlsPort === undefined || certificate === undefined) continue;
  const keys = { cert: readFileSync(certificate.certFile), key: readFileSync(certificate.keyFile) };
  listen(
    createTlsServer(keys, (socket) => serve(pod, socket)),
    pod.tlsPort,
  );
}
