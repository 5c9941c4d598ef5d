import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import t, { type Test } from 'tap';
import { assertPortsCanBeShared, shareOf, tryPort } from '../../../../sidecar/workers/shared-port.js';
import { bindSharedSocket } from '../../../../sidecar/workers/shared-socket.js';
import { listen, type PortSharing } from '../../../../src/lifecycle/listen.js';
import { toAddress } from '../../../support/mesh.js';

const ONLY = process.platform === 'linux' ? {} : { skip: 'ports are shared on Linux only' };

const HAS_IPV6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);
const LOOPBACK = ['127.0.0.1', '0.0.0.0', ...(HAS_IPV6 ? ['::1', '::'] : [])];

/** So many servers on one port, shared in this way; each counts its connections. */
async function share(t: Test, host: string, count: number, sharing: (port: number) => Promise<PortSharing>) {
  const accepted = Array<number>(count).fill(0);
  const servers: Server[] = [];
  let port = 0;
  for (let i = 0; i < count; i++) {
    const server = createServer((socket) => {
      accepted[i] = (accepted[i] ?? 0) + 1;
      socket.end();
    });
    servers.push(server);
    ({ port } = toAddress(await listen(server, 'tests', host, port, await sharing(port))));
  }
  t.teardown(() => servers.map((server) => server.close()));
  return { port, accepted, servers };
}

async function connectMany(host: string, port: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const socket = connect({ host, port });
    await once(socket.resume(), 'close');
  }
}

const ways: Record<string, (host: string) => (port: number) => Promise<PortSharing>> = {
  'as this Node can': (host) => (port) => shareOf('tests', { host, port }),
  'by sockets of our own making': (host) => async (port) => ({
    fd: bindSharedSocket('tests', { host, port }),
  }),
};

for (const [way, sharing] of Object.entries(ways)) {
  t.test(
    `${way}: each listener on a port gets a part, and what one gives up the others get`,
    ONLY,
    async (t) => {
      for (const host of LOOPBACK) {
        const { port, accepted, servers } = await share(t, host, 3, sharing(host));
        const dialled = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
        await connectMany(dialled, port, 120);
        t.ok(
          accepted.every((count) => count > 0),
          `${host}: ${accepted.join(', ')}`,
        );
        const closed = new Promise((done) => servers[0]?.close(done));
        await closed;
        const before = accepted[0];
        await connectMany(dialled, port, 30);
        t.equal(accepted[0], before);
        t.equal(
          accepted.reduce((sum, count) => sum + count, 0),
          150,
        );
      }
    },
  );
}

t.test(
  '`::` takes IPv4, too, as it does without sharing',
  HAS_IPV6 ? ONLY : { skip: 'no IPv6' },
  async (t) => {
    const { port, accepted } = await share(t, '::', 1, async (port) => ({
      fd: bindSharedSocket('tests', { host: '::', port }),
    }));
    await connectMany('127.0.0.1', port, 1);
    t.strictSame(accepted, [1]);
  },
);

t.test('says what is wrong with an address, as for a port of one’s own', ONLY, async (t) => {
  t.throws(() => bindSharedSocket('outbound calls (--outbound)', { host: '192.0.2.1', port: 80 }), {
    message:
      'cannot listen for outbound calls (--outbound) on 192.0.2.1:80: this machine does not have that address',
  });
  const taken = createServer();
  const address = toAddress(await listen(taken, 'tests', '127.0.0.1', 0));
  t.teardown(() => taken.close());
  const message = `cannot listen for tests on 127.0.0.1:${address.port}: the port is in use by another process`;
  t.throws(() => bindSharedSocket('tests', address), { message });
  await t.rejects(tryPort('tests', address), { message });
});

t.test('a port that is shared already is not free, though it could be shared once more', ONLY, async (t) => {
  const { port } = await share(t, '127.0.0.1', 2, (port) => shareOf('tests', { host: '127.0.0.1', port }));
  await t.rejects(tryPort('tests', { host: '127.0.0.1', port }), /in use by another process/);
  t.strictSame(await tryPort('tests', { host: 'localhost', port: 0 }).then(({ port }) => port), 0);
});

t.test('elsewhere than on Linux several workers are refused, and one is what to use', async (t) => {
  const { platform } = process;
  t.teardown(() => Object.defineProperty(process, 'platform', { value: platform }));
  Object.defineProperty(process, 'platform', { value: 'darwin' });
  t.throws(() => assertPortsCanBeShared(), /darwin does not spread connections over them; use --workers 1/);
  Object.defineProperty(process, 'platform', { value: 'linux' });
  t.doesNotThrow(() => assertPortsCanBeShared());
});
