import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';

/** A request as `node:http` reads it. */
export interface NodeReading {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  /** In latin-1. */
  readonly body: string;
  readonly complete: boolean;
}

/** A connection without a network. */
class Pipe extends Duplex {
  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

/**
 * Requests as `node:http` reads them, somebody else's parser without a network between. What it does with its
 * streams later is left to the event loop, which has to be given a turn now and then.
 *
 * @returns undefined where it refuses them
 */
export function readByNode(bytes: string): NodeReading[] | undefined {
  const seen: IncomingMessage[] = [];
  let refused = false;
  const server = createServer({ maxHeaderSize: 1_000_000 });
  server.maxHeadersCount = 0;
  const take = (request: IncomingMessage, _response: ServerResponse) => void seen.push(request);
  server.on('request', take);
  server.on('checkContinue', take);
  server.on('checkExpectation', take);
  server.on('clientError', (_error, socket) => {
    refused = true;
    socket.destroy();
  });
  const pipe = new Pipe();
  server.emit('connection', pipe);
  pipe.emit('data', Buffer.from(bytes, 'latin1'));
  const read = seen.map((request) => ({
    method: request.method ?? '',
    target: request.url ?? '',
    host: request.headers.host ?? '',
    body: ((request.read() as Buffer | null) ?? Buffer.alloc(0)).toString('latin1'),
    complete: request.complete,
  }));
  pipe.destroy();
  return refused ? undefined : read;
}
