import { createSocket } from 'node:dgram';
import { once } from 'node:events';
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
  | { readonly verb: 'again' };

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
    case 'datagram':
      return sendDatagram(command.host, command.port, command.wantsAnswer);
  }
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
