import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';
import { NamedBackend } from './fast-traffic.js';
import { startGrpcBackend } from './grpc-xds.js';

const HTTP2_PREFACE = 'PRI * HTTP/2';

export interface DualBackend {
  readonly name: string;
  readonly address: string;
}

/** One port that answers HTTP/1.1 and gRPC calls alike with its name. */
async function startDualBackend(t: Test, name: string): Promise<DualBackend> {
  const http1 = await NamedBackend.start(t, name);
  const grpc = await startGrpcBackend(t, name);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', (first) => {
      const target = first.toString('latin1').startsWith(HTTP2_PREFACE) ? grpc : http1.address;
      const upstream = connect(Number(target.split(':')[1]), '127.0.0.1');
      sockets.add(upstream);
      upstream.on('error', () => socket.destroy());
      upstream.write(first);
      socket.pipe(upstream).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { name, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Backends of a release, `v1-1` and so on. */
export function startDualRelease(t: Test, release: string, count: number): Promise<DualBackend[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => startDualBackend(t, `${release}-${i + 1}`)));
}

/** Routes that name a release, to ask the sidecar where a key would be in each, without moving its session. */
export const ROUTES_BY_RELEASE = ['v1', 'v2'].map((version) => ({
  name: `only-${version}`,
  match: [{ headers: [{ name: 'x-release', exact: version }] }],
  split: [{ version, weight: 1 }],
  pin: false,
}));
