import { once } from 'node:events';
import { constants, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { ControlPlaneClient } from '../../../../src/cli/client.js';
import { CommandError, ConnectionError } from '../../../../src/cli/exit.js';

/** A client of an HTTP/2 server that does this with every call. */
async function clientOf(t: Test, answer: (stream: ServerHttp2Stream) => void): Promise<ControlPlaneClient> {
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    answer(stream);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = new ControlPlaneClient({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  t.teardown(() => {
    client.close();
    server.close();
  });
  return client;
}

async function failureOf(client: ControlPlaneClient): Promise<unknown> {
  try {
    for await (const _ of client.stream('Await', { revision: 1, timeoutMs: 1000 }, 5000));
    return undefined;
  } catch (error) {
    return error;
  }
}

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

t.test('a stream that breaks off is worth another attempt, however it breaks', async (t) => {
  const endings: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
    'the connection is gone': (stream) => stream.session?.destroy(),
    'cancelled by what is in between': (stream) => stream.close(NGHTTP2_CANCEL),
    'an internal error': (stream) => stream.close(NGHTTP2_INTERNAL_ERROR),
    refused: (stream) => stream.close(NGHTTP2_REFUSED_STREAM),
    'a proxy without a control plane': (stream) => stream.respond({ ':status': 502 }, { endStream: true }),
    'the status UNAVAILABLE': (stream) => stream.respond({ 'grpc-status': '14' }, { endStream: true }),
  };
  for (const [title, end] of Object.entries(endings))
    t.ok((await failureOf(await clientOf(t, end))) instanceof ConnectionError, title);
});

t.test('an answer is an answer: it will not be another one', async (t) => {
  for (const code of ['7', '16', '12']) {
    const client = await clientOf(t, (stream) =>
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': code },
        { endStream: true },
      ),
    );
    const failure = await failureOf(client);
    t.ok(failure instanceof CommandError && !(failure instanceof ConnectionError), code);
  }
});
