import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Agent, createServer as createHttpServer, get } from 'node:http';
import { connect, createServer, isIPv6, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that a test runs in a network namespace: it listens and connects as its standard input says. */

/** A packet that the kernel drops would be waited for far longer. */
const PATIENCE_MS = 3000;

type Command =
  | {
      readonly verb: 'listen' | 'answer-datagrams';
      readonly label: string;
      readonly host: string;
      readonly port: number;
    }
  | { readonly verb: 'connect' | 'hold'; readonly host: string; readonly port: number }
  | { readonly verb: 'datagram'; readonly host: string; readonly port: number; readonly wantsAnswer: boolean }
  | { readonly verb: 'again' }
  | { readonly verb: 'serve'; readonly label: string; readonly host: string; readonly port: number }
  | { readonly verb: 'request'; readonly requests: readonly HttpRequest[] }
  | {
      readonly verb: 'sessions';
      readonly url: string;
      readonly from: number;
      readonly count: number;
      readonly headers: Readonly<Record<string, string>>;
    };

interface HttpRequest {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

let held: Socket | undefined;

async function obey(command: Command): Promise<string> {
  switch (command.verb) {
    case 'listen':
      return listen(command.label, command.host, command.port);
    case 'connect':
      return dial(command.host, command.port, (socket) => socket.destroy());
    case 'hold':
      return dial(command.host, command.port, (socket) => {
        held = socket;
      });
    case 'again':
      held?.write('again\n');
      return held === undefined ? 'nothing is held' : firstLine(held);
    case 'answer-datagrams':
      return answerDatagrams(command.label, command.host, command.port);
    case 'serve':
      return serve(command.label, command.host, command.port);
    case 'request':
      return JSON.stringify(await requestAll(command.requests));
    case 'sessions':
      return JSON.stringify(await callSessions(command));
    case 'datagram':
      return sendDatagram(command.host, command.port, command.wantsAnswer);
  }
}

/** Answers what is known of each request. */
async function serve(label: string, host: string, port: number): Promise<string> {
  const server = createHttpServer(({ headers, socket }, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ app: label, peer: socket.remoteAddress?.replace('::ffff:', ''), headers }));
  });
  server.listen({ host, port, ipv6Only: false });
  await once(server, 'listening');
  return 'listening';
}

/** Some at a time, in order. */
async function requestAll(requests: readonly HttpRequest[]): Promise<unknown[]> {
  const answers: unknown[] = [];
  let next = 0;
  const work = async () => {
    for (let i = next++; i < requests.length; i = next++)
      answers[i] = await requestOne(requests[i] as HttpRequest);
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return answers;
}

async function callSessions(command: Extract<Command, { verb: 'sessions' }>): Promise<string[]> {
  const { url, from, count, headers } = command;
  const requests = Array.from({ length: count }, (_, i) => ({
    url,
    headers: { ...headers, 'x-user-id': `user-${from + i}` },
  }));
  const answers = (await requestAll(requests)) as { status: number; body: string }[];
  return answers.map(({ status, body }) => (status === 200 ? JSON.parse(body).app : `${status} ${body}`));
}

async function requestOne({ url, headers = {} }: HttpRequest): Promise<unknown> {
  return new Promise((resolve) => {
    const request = get(url, { headers, agent, timeout: PATIENCE_MS }, (response) => {
      let body = '';
      response.on('data', (data) => (body += String(data)));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
      response.on('error', (error) => resolve({ status: 0, headers: {}, body: error.message }));
    });
    request.on('timeout', () => request.destroy(new Error('nothing in time')));
    request.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ status: 0, headers: {}, body: error.code ?? error.message }),
    );
  });
}

async function listen(label: string, host: string, port: number): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write(`${label} ${socket.remoteAddress?.replace('::ffff:', '')}\n`);
    socket.pipe(socket);
  });
  server.listen({ host, port, ipv6Only: false });
  await once(server, 'listening');
  return 'listening';
}

async function dial(host: string, port: number, done: (socket: Socket) => void): Promise<string> {
  const socket = connect({ host, port });
  const heard = await firstLine(socket);
  done(socket);
  return heard;
}

async function firstLine(socket: Socket): Promise<string> {
  const line = once(socket, 'data').then(([data]) => String(data).trim());
  const late = sleep(PATIENCE_MS, 'nothing', { ref: false });
  return Promise.race([line, late]).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
}

async function answerDatagrams(label: string, host: string, port: number): Promise<string> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('message', (_, from) => socket.send(label, from.port, from.address));
  socket.bind(port, host);
  await once(socket, 'listening');
  return 'listening';
}

async function sendDatagram(host: string, port: number, wantsAnswer: boolean): Promise<string> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.send('hello', port, host);
  const answer = wantsAnswer
    ? await Promise.race([
        once(socket, 'message').then(([data]) => String(data)),
        sleep(PATIENCE_MS, 'nothing'),
      ])
    : await sleep(100, 'sent');
  socket.close();
  return answer;
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await obey(JSON.parse(line) as Command).catch(
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
