import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { findEnds, readSocketTable, type SocketPair } from '../../../../sidecar/net/socket-table.js';
import { peerIp } from '../../../../src/net/ip-address.js';
import { eventually } from '../../../support/processes.js';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const pair = (localIp: string, localPort: number, remoteIp: string, remotePort: number): SocketPair => ({
  ...{ localIp, localPort, remoteIp, remotePort },
});

t.test('finds both ends of a connection, in IPv4, IPv6 and the one mapped into the other', async (t) => {
  const table = `${HEAD}   0: 0100007F:3A99 0100007F:C001 08 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 20 4 30 10 -1
   1: 0100007F:C001 0100007F:3A99 05 00000000:00000000 03:0000170A 00000000     0        0 0 3 0000000000000000
 123: 0A01000A:3A9E 0201000A:C002 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000
${HEAD}   0: B80D0120000000000000000001000000:3A99 B80D0120000000000000000002000000:C003 08 00000000:00000000 00:00000000 00000000  0  0 4713 1
   1: B80D0120000000000000000002000000:C003 B80D0120000000000000000001000000:3A99 05 00000000:00000000 00:00000000 00000000  0  0 4714 1
   2: 0000000000000000FFFF00000100007F:3A99 0000000000000000FFFF00000100007F:C004 01 00000000:00000000 00:00000000 00000000  0  0 4715 1
`;
  t.strictSame(
    findEnds(table, [
      pair('127.0.0.1', 15001, '127.0.0.1', 49153),
      pair('10.0.1.10', 15006, '10.0.1.2', 49154),
      pair('2001:db8::1', 15001, '2001:db8::2', 49155),
      pair('127.0.0.1', 15001, '127.0.0.1', 49156),
      pair('127.0.0.1', 15001, '127.0.0.1', 49157),
    ]),
    [
      { own: 'peer-ended', peer: 'closed' },
      { own: 'connected', peer: 'elsewhere' },
      { own: 'peer-ended', peer: 'open' },
      { own: 'connected', peer: 'elsewhere' },
      { own: 'absent', peer: 'elsewhere' },
    ],
  );
});

t.test('takes no socket for closed where the table has no inodes', async (t) => {
  const table = `${HEAD}   0: 0100007F:3A99 0100007F:C001 08 00000000:00000000 00:00000000 00000000  1000        0 0 1
   1: 0100007F:C001 0100007F:3A99 05 00000000:00000000 00:00000000 00000000  1000        0 0 1
`;
  t.strictSame(findEnds(table, [pair('127.0.0.1', 15001, '127.0.0.1', 49153)]), [
    { own: 'peer-ended', peer: 'elsewhere' },
  ]);
});

const LINUX_ONLY = process.platform === 'linux' ? {} : { skip: 'only Linux has the table' };

for (const host of ['127.0.0.1', '::1', '::']) {
  t.test(
    `tells a real client that has closed from one that has ended its side (${host})`,
    LINUX_ONLY,
    async (t) => {
      const accepted: Socket[] = [];
      const server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket.resume()));
      await new Promise<void>((listening) => server.listen(0, host, listening));
      t.teardown(() => {
        for (const socket of accepted) socket.destroy();
        server.close();
      });
      const { port } = server.address() as AddressInfo;
      const ends = async (leave: (client: Socket) => void) => {
        const client = connect({ port, host: host === '::' ? '127.0.0.1' : host, allowHalfOpen: true });
        t.teardown(() => client.destroy());
        const before = accepted.length;
        await eventually('it is accepted', () => accepted.length > before);
        const own = accepted.at(-1) as Socket;
        leave(client);
        const socketPair = pair(
          peerIp({ remoteAddress: own.localAddress }),
          own.localPort ?? 0,
          peerIp(own),
          own.remotePort ?? 0,
        );
        const look = async () => findEnds((await readSocketTable()) ?? '', [socketPair])[0];
        return { look };
      };
      const closed = await ends((client) => client.destroy());
      await eventually('it is seen to be closed', async () => (await closed.look())?.peer === 'closed');
      const ended = await ends((client) => client.end());
      await eventually('its end is seen', async () => (await ended.look())?.own === 'peer-ended');
      t.equal((await ended.look())?.peer, 'open');
    },
  );
}
