import { once } from 'node:events';
import {
  type CallOptions,
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { newService } from '../support/http1/paths.js';
import { TestMesh } from '../support/mesh.js';

/** grpc-js calls grpc-js through the sidecar of the caller and that of the pod. */

const same = (bytes: Buffer) => bytes;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const ECHO = {
  Unary: method('Unary', false, false),
  ServerStream: method('ServerStream', false, true),
  ClientStream: method('ClientStream', true, false),
  Bidi: method('Bidi', true, true),
};

/** What servers have seen of cancelled calls. */
let cancelled = 0;

const HANDLERS = {
  Unary(
    call: ServerUnaryCall<Buffer, Buffer>,
    done: (error: object | null, reply?: Buffer, trailer?: Metadata) => void,
  ) {
    const text = call.request.toString();
    if (text === 'fail') {
      done({ code: status.FAILED_PRECONDITION, details: 'not now: ü %' });
      return;
    }
    if (text === 'slow') {
      call.on('cancelled', () => cancelled++);
      return;
    }
    const trailer = new Metadata();
    trailer.set('x-bin', Buffer.from([0, 1, 254, 255]));
    for (const value of call.metadata.get('x-sent-bin')) trailer.add('x-back-bin', value);
    trailer.set('x-deadline', call.getDeadline() === Number.POSITIVE_INFINITY ? 'none' : 'some');
    done(null, call.request, trailer);
  },
  ServerStream(call: ServerWritableStream<Buffer, Buffer>) {
    for (let i = 0; i < 100; i++) call.write(call.request);
    call.end();
  },
  ClientStream(call: ServerReadableStream<Buffer, Buffer>, done: (error: null, reply: Buffer) => void) {
    let bytes = 0;
    call.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    call.on('end', () => done(null, Buffer.from(String(bytes))));
  },
  Bidi(call: ServerDuplexStream<Buffer, Buffer>) {
    call.on('data', (piece: Buffer) => call.write(piece));
    call.on('end', () => call.end());
    call.on('cancelled', () => cancelled++);
    call.on('error', () => {});
  },
};

let client: Client;
t.before(async () => {
  const mesh = await TestMesh.start(t);
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  server.addService(ECHO, HANDLERS as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  );
  t.teardown(() => server.forceShutdown());
  const inbound = await mesh.sidecar({ app: { host: '127.0.0.1', port }, drainTimeoutMs: 0 });
  const service = newService([inbound.addresses.inbound], { protocol: 'grpc' });
  await mesh.apply(service);
  const { addresses } = await mesh.sidecar({ drainTimeoutMs: 0 });
  client = new Client(addresses.outbound, credentials.createInsecure(), {
    'grpc.default_authority': `${service.metadata.name}.shop`,
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });
  t.teardown(() => client.close());
});

interface Answer {
  readonly reply: Buffer | undefined;
  readonly error: ServiceError | null;
  readonly trailer: Metadata;
}

function unary(request: Buffer, metadata = new Metadata(), options: CallOptions = {}): Promise<Answer> {
  return new Promise((resolve) => {
    let answer: Omit<Answer, 'trailer'>;
    const call = client.makeUnaryRequest(
      ECHO.Unary.path,
      same,
      same,
      request,
      metadata,
      options,
      (error: ServiceError | null, reply?: Buffer) => {
        answer = { error, reply };
      },
    );
    call.on('status', ({ metadata: trailer }) => setImmediate(() => resolve({ ...answer, trailer })));
  });
}

t.test('a unary call, with binary metadata both ways', async (t) => {
  const metadata = new Metadata();
  metadata.set('x-sent-bin', Buffer.from([255, 0, 10, 13]));
  const { reply, error, trailer } = await unary(Buffer.from('hello'), metadata);
  t.equal(error, null);
  t.equal(reply?.toString(), 'hello');
  t.same(trailer.get('x-bin'), [Buffer.from([0, 1, 254, 255])]);
  t.same(trailer.get('x-back-bin'), [Buffer.from([255, 0, 10, 13])]);
});

t.test('a large message goes both ways, byte for byte', async (t) => {
  const request = Buffer.alloc(20_000_000, 'a large message of 31 letters. ');
  const { reply } = await unary(request);
  t.ok(reply?.equals(request), '20 MB');
});

t.test('an error of the server, with its details', async (t) => {
  const { error } = await unary(Buffer.from('fail'));
  t.match([error?.code, error?.details], [status.FAILED_PRECONDITION, 'not now: ü %']);
});

t.test('a deadline reaches the server, and ends the call there', async (t) => {
  const before = cancelled;
  const { error } = await unary(Buffer.from('slow'), new Metadata(), { deadline: Date.now() + 100 });
  t.equal(error?.code, status.DEADLINE_EXCEEDED);
  while (cancelled === before) await new Promise((done) => setTimeout(done, 5));
  t.pass('the server was told');
});

t.test('a stream of the server', async (t) => {
  const call = client.makeServerStreamRequest(ECHO.ServerStream.path, same, same, Buffer.alloc(10_000, 'x'));
  let [messages, bytes] = [0, 0];
  for await (const message of call) {
    messages++;
    bytes += (message as Buffer).length;
  }
  t.same([messages, bytes], [100, 1_000_000]);
});

t.test('a stream of the client', async (t) => {
  const reply = await new Promise<Buffer>((resolve, reject) => {
    const call = client.makeClientStreamRequest(ECHO.ClientStream.path, same, same, (error, reply) =>
      error ? reject(error) : resolve(reply as Buffer),
    );
    for (let i = 0; i < 100; i++) call.write(Buffer.alloc(10_000));
    call.end();
  });
  t.equal(reply.toString(), '1000000');
});

t.test('streams both ways, message by message', async (t: Test) => {
  const call = client.makeBidiStreamRequest(ECHO.Bidi.path, same, same);
  for (let i = 0; i < 20; i++) {
    call.write(Buffer.from(`message ${i}`));
    const [back] = (await once(call, 'data')) as [Buffer];
    t.equal(back.toString(), `message ${i}`);
  }
  call.end();
  const [{ code }] = (await once(call, 'status')) as [{ code: number }];
  t.equal(code, status.OK);
});

t.test('a cancelled stream is cancelled at the server, and others go on', async (t) => {
  const [one, other] = [1, 2].map(() => client.makeBidiStreamRequest(ECHO.Bidi.path, same, same));
  one?.on('error', () => {});
  for (const call of [one, other]) {
    call?.write(Buffer.from('x'));
    await once(call as NonNullable<typeof call>, 'data');
  }
  const before = cancelled;
  one?.cancel();
  while (cancelled === before) await new Promise((done) => setTimeout(done, 5));
  other?.write(Buffer.from('still here'));
  const [back] = (await once(other as NonNullable<typeof other>, 'data')) as [Buffer];
  t.equal(back.toString(), 'still here');
  other?.end();
});

t.test('a thousand calls at once share few connections', async (t) => {
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => unary(Buffer.from(String(i)))));
  t.equal(answers.filter(({ reply }, i) => reply?.toString() === String(i)).length, 1000);
});
