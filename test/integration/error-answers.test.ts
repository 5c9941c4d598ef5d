import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { DEFAULT_LIMITS, type HttpLimits } from '../../sidecar/http/limits.js';
import { ERROR_CATALOGUE, type ErrorCode } from '../../src/http/error-catalogue.js';
import { newService } from '../support/http1/paths.js';
import { fieldOf, type PlainMessage } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t);
});

const TO_V1 = [{ version: 'v1', weight: 1 }];
/** Nothing listens there. */
const NOWHERE = { host: '127.0.0.1', port: 1 };

interface Call {
  /** Of the service's `spec`. */
  readonly spec?: object;
  readonly limits?: Partial<HttpLimits>;
  /** Endpoints of the service; what {@link upstream} plays where there are none. */
  readonly endpoints?: readonly string[];
  /** What the endpoint sends for a request; undefined: it closes the connection. */
  readonly upstream?: string;
  /** Head of the request. @param host of the service. @param outbound address of the port */
  request(host: string, outbound: string): readonly string[];
}

const get = (host: string) => ['GET / HTTP/1.1', `Host: ${host}`];

async function unused(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

/** Answer of a sidecar to a call of its app. */
async function answerTo(t: Test, call: Call): Promise<PlainMessage> {
  const backend = await RawBackend.start(t);
  if (call.upstream !== undefined) backend.answerAll(() => call.upstream ?? '');
  const service = newService(call.endpoints ?? [backend.address], call.spec);
  await mesh.apply(service);
  const limits = { ...DEFAULT_LIMITS, ...call.limits };
  const sidecar = await mesh.sidecar({ drainTimeoutMs: 0, limits });
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  client.sendMessage(call.request(service.metadata.name, sidecar.addresses.outbound));
  if (call.upstream === undefined && call.endpoints === undefined)
    void backend.next().then(
      async (peer) => {
        await peer.request();
        peer.reset();
      },
      () => {},
    );
  return client.message();
}

/** How each code comes about. A code that is not sent has no place in the catalogue. */
const CAUSES: Readonly<Record<ErrorCode, (t: Test) => Promise<PlainMessage>>> = {
  'unknown-host': (t) => answerTo(t, { upstream: '', request: () => get('nobody.example') }),
  'no-route': (t) =>
    answerTo(t, {
      upstream: '',
      spec: { routes: [{ name: 'one', match: [{ path: { exact: '/one' } }], split: TO_V1 }] },
      request: get,
    }),
  'not-ready': async (t) => {
    const sidecar = await mesh.startSidecar({ controlPlanes: [NOWHERE], drainTimeoutMs: 0 });
    const client = await RawPeer.connect(t, sidecar.addresses.outbound);
    client.sendMessage(get('anything'));
    return client.message();
  },
  'no-endpoint': async (t) => answerTo(t, { endpoints: [await unused(), await unused()], request: get }),
  overloaded: async (t) => {
    const sidecar = await mesh.sidecar({
      drainTimeoutMs: 0,
      limits: { ...DEFAULT_LIMITS, maxConnections: 1 },
    });
    await RawPeer.connect(t, sidecar.addresses.outbound);
    return (await RawPeer.connect(t, sidecar.addresses.outbound)).message();
  },
  'connect-failure': async (t) => answerTo(t, { endpoints: [await unused()], request: get }),
  'upstream-reset': (t) => answerTo(t, { request: get }),
  'bad-response': (t) => answerTo(t, { upstream: 'nonsense\r\n\r\n', request: get }),
  'request-timeout': (t) =>
    answerTo(t, {
      upstream: '',
      spec: { routes: [{ name: 'default', split: TO_V1, timeout: '50ms' }] },
      request: get,
    }),
  'fault-injected': (t) =>
    answerTo(t, {
      upstream: '',
      spec: { routes: [{ name: 'default', split: TO_V1, fault: { abort: { status: 503 } } }] },
      request: get,
    }),
  'forbidden-destination': (t) =>
    answerTo(t, {
      upstream: '',
      request: () => ['GET http://169.254.169.254/ HTTP/1.1', 'Host: 169.254.169.254'],
    }),
  'loop-detected': (t) =>
    answerTo(t, {
      upstream: '',
      request: (_host, outbound) => [`GET http://${outbound}/ HTTP/1.1`, `Host: ${outbound}`],
    }),
  'malformed-request': (t) => answerTo(t, { upstream: '', request: (host) => [...get(host), 'No colon'] }),
  'unsupported-coding': (t) =>
    answerTo(t, {
      upstream: '',
      request: (host) => ['POST / HTTP/1.1', `Host: ${host}`, 'Transfer-Encoding: gzip'],
    }),
  'unsupported-version': (t) =>
    answerTo(t, { upstream: '', request: (host) => ['GET / HTTP/3.0', `Host: ${host}`] }),
  'head-too-large': (t) =>
    answerTo(t, {
      upstream: '',
      request: (host) => [...get(host), `X-Long: ${'x'.repeat(DEFAULT_LIMITS.maxHeadBytes)}`],
    }),
  'slow-request': async (t) => {
    const limits = { ...DEFAULT_LIMITS, headTimeoutMs: 50 };
    const sidecar = await mesh.sidecar({ drainTimeoutMs: 0, limits });
    const client = await RawPeer.connect(t, sidecar.addresses.outbound);
    client.send('GET / HTTP/1.1\r\n');
    return client.message();
  },
};

for (const [code, cause] of Object.entries(CAUSES))
  t.test(`a sidecar sends ${code}`, async (t) => {
    const { line, fields, body } = await cause(t);
    const { status, message } = ERROR_CATALOGUE[code as ErrorCode];
    t.match(line, new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`));
    t.equal(fieldOf(fields, 'x-roost-error'), code);
    t.match(body, new RegExp(`^${message}(?:: .+)?\n$`), 'a body of one line');
  });
