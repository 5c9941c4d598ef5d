import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import t, { type Test } from 'tap';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { residentBytes } from '../support/memory.js';
import { toAddress } from '../support/mesh.js';
import { eventually, type StartedSidecar, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout } from '../support/shop.js';

const MIB = 1024 * 1024;
/** Streamed each way; the figure in the documentation was made with ROOST_TEST_STREAM_GIB=10. */
const STREAM_BYTES = Number(process.env.ROOST_TEST_STREAM_GIB ?? 1) * 1024 * MIB;
/** Before the first measurement: how large buffers get is known once traffic has been as heavy as it will be. */
const WARM_UP_BYTES = 512 * MIB;
const MAX_GROWTH_BYTES = 30 * MIB;
const piece = Buffer.alloc(64 * 1024, 'x');

/** A backend that takes whatever is sent and sends whatever is asked for. */
async function startStreamBackend(
  t: Test,
): Promise<{ address: string; sent: () => number; received: () => number; read: (on: boolean) => void }> {
  let sent = 0;
  let received = 0;
  let reading = true;
  const server = createServer((request, response) => {
    const wanted = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('bytes') ?? 0);
    request.on('data', (data: Buffer) => {
      received += data.length;
      if (!reading) request.pause();
    });
    response.on('close', () => response.destroy());
    let left = wanted;
    const send = () => {
      while (left > 0) {
        const next = left >= piece.length ? piece : piece.subarray(0, left);
        left -= next.length;
        sent += next.length;
        if (!response.write(next) && left > 0) {
          response.once('drain', send);
          return;
        }
      }
      response.end();
    };
    if (wanted > 0) send();
    else request.on('end', () => response.end(String(received)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    sent: () => sent,
    received: () => received,
    read: (on) => (reading = on),
  };
}

async function startWorld(t: Test) {
  const backend = await startStreamBackend(t);
  const controlPlane = await startControlPlane(t);
  const client = new ControlPlaneClient(toAddress(controlPlane.grpc));
  t.teardown(() => client.close());
  const versions = [{ name: 'v1', endpoints: [{ address: backend.address }] }];
  await client.call('Apply', { documents: [toStruct(checkout({ split: { v1: 1 }, spec: { versions } }))] });
  const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', controlPlane.grpc]);
  await eventually(
    'the sidecar is ready',
    async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200,
  );
  return { backend, sidecar };
}

function download(sidecar: StartedSidecar, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const { host, port } = toAddress(sidecar.outbound);
    const request = httpRequest(
      { host, port, path: `/?bytes=${bytes}`, headers: { host: 'checkout' } },
      (response) => {
        let received = 0;
        response.on('data', (data: Buffer) => (received += data.length));
        response.on('end', () => resolve(received));
        response.on('error', reject);
      },
    );
    request.on('error', reject).end();
  });
}

/** Sends a chunked body. @returns what the backend counted */
function upload(sidecar: StartedSidecar, bytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const { host, port } = toAddress(sidecar.outbound);
    const request = httpRequest({ host, port, method: 'POST', headers: { host: 'checkout' } }, (response) => {
      let body = '';
      response.on('data', (data) => (body += String(data)));
      response.on('end', () => resolve(body));
    });
    request.on('error', reject);
    let left = bytes;
    const send = () => {
      while (left > 0) {
        const next = left >= piece.length ? piece : piece.subarray(0, left);
        left -= next.length;
        if (!request.write(next) && left > 0) {
          request.once('drain', send);
          return;
        }
      }
      request.end();
    };
    send();
  });
}

t.test(
  `${STREAM_BYTES / MIB} MiB each way through one sidecar leave its memory where it was`,
  { timeout: 600_000 },
  async (t) => {
    const { sidecar } = await startWorld(t);
    const pid = sidecar.process.child.pid as number;
    const stream = (bytes: number) =>
      peakMemory(pid, () => Promise.all([download(sidecar, bytes), upload(sidecar, bytes)]));
    // Once through first: buffers and compiled code are part of a warm sidecar, whose peak is what must not grow.
    const warm = await stream(WARM_UP_BYTES);
    const startedAt = performance.now();
    const full = await stream(STREAM_BYTES);
    const seconds = (performance.now() - startedAt) / 1000;
    const [received, counted] = full.result;
    t.comment(
      `${STREAM_BYTES / MIB} MiB each way in ${seconds.toFixed(1)} s; RSS at most ${toMib(warm.peak)} MiB in the first ` +
        `${WARM_UP_BYTES / MIB} MiB, ${toMib(full.peak)} MiB in the rest, ${toMib(residentBytes(pid))} MiB after`,
    );
    t.equal(received, STREAM_BYTES);
    t.equal(counted, String(STREAM_BYTES + WARM_UP_BYTES));
    t.ok(full.peak - warm.peak < MAX_GROWTH_BYTES, `grew by ${toMib(full.peak - warm.peak)} MiB`);
  },
);

const toMib = (bytes: number) => Math.round(bytes / MIB);

/** Runs work and tells the most memory that a process had meanwhile. */
async function peakMemory<T>(pid: number, work: () => Promise<T>): Promise<{ result: T; peak: number }> {
  let peak = residentBytes(pid);
  const watch = setInterval(() => {
    peak = Math.max(peak, residentBytes(pid));
  }, 250);
  try {
    const result = await work();
    return { result, peak };
  } finally {
    clearInterval(watch);
  }
}

t.test('a client that reads slowly slows the backend instead of filling memory', async (t) => {
  const { backend, sidecar } = await startWorld(t);
  const { host, port } = toAddress(sidecar.outbound);
  const socket = connect({ host, port });
  t.teardown(() => socket.destroy());
  socket.write(`GET /?bytes=${512 * MIB} HTTP/1.1\r\nHost: checkout\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  const stalled = await stallOf(backend.sent);
  t.ok(stalled < 64 * MIB, `the backend got rid of ${Math.round(stalled / MIB)} MiB while nobody read`);
  socket.resume();
  await eventually('the rest follows', () => backend.sent() === 512 * MIB);
});

t.test('a backend that reads slowly slows the client instead of filling memory', async (t) => {
  const { backend, sidecar } = await startWorld(t);
  backend.read(false);
  const { host, port } = toAddress(sidecar.outbound);
  const socket = connect({ host, port });
  t.teardown(() => socket.destroy());
  socket.write(`POST / HTTP/1.1\r\nHost: checkout\r\nContent-Length: ${512 * MIB}\r\n\r\n`);
  let written = 0;
  const send = () => {
    while (written < 512 * MIB && socket.write(piece)) written += piece.length;
    written += piece.length;
    socket.once('drain', send);
  };
  send();
  const stalled = await stallOf(() => written);
  t.ok(stalled < 64 * MIB, `the client got rid of ${Math.round(stalled / MIB)} MiB while nobody read`);
});

/** Waits until a counter stops, and tells where. */
async function stallOf(read: () => number): Promise<number> {
  let last = -1;
  let since = Date.now();
  await eventually('it stalls', () => {
    const now = read();
    if (now !== last) since = Date.now();
    last = now;
    return Date.now() - since > 500;
  });
  return last;
}
