import t from 'tap';
import type { ClientSocket } from '../../../../sidecar/net/client-socket.js';
import { LeftClients } from '../../../../sidecar/net/left-clients.js';

const PAIR = { localIp: '127.0.0.1', localPort: 15001, remoteIp: '127.0.0.1', remotePort: 49153 };
const row = (state: string, inode: number, [local, remote] = ['0100007F:3A99', '0100007F:C001']) =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1\n`;
const OWN_ENDED = row('08', 1);
const PEER: [string, string] = ['0100007F:C001', '0100007F:3A99'];

/** One connection, and what it is told when these tables are read one after the other. */
async function told(tables: readonly (string | undefined)[], mayHaveLostClient = true): Promise<string[]> {
  const events: string[] = [];
  const connection = {
    socketPair: PAIR,
    handler: {
      mayHaveLostClient,
      onClientLeft: () => events.push('left'),
      onClientEndFound: (isThere: boolean) => events.push(isThere ? 'there' : 'ended'),
    },
  } as unknown as ClientSocket;
  let read = 0;
  const clients = new LeftClients([connection], async () => tables[read++]);
  for (let nowMs = 1000; nowMs <= 1000 * tables.length; nowMs += 1000) {
    clients.tick(nowMs);
    await new Promise(setImmediate);
  }
  return events;
}

t.test('a client whose socket no program has open has left', async (t) => {
  t.strictSame(await told([OWN_ENDED + row('05', 0, PEER)]), ['left']);
  t.strictSame(await told([row('01', 1) + row('04', 0, PEER)]), ['left'], 'its end not seen yet');
});

t.test(
  'a client that has its socket open is there, and of one elsewhere only its end is known',
  async (t) => {
    t.strictSame(await told([OWN_ENDED + row('05', 2, PEER)]), ['there']);
    t.strictSame(await told([OWN_ENDED]), ['ended']);
    t.strictSame(await told([row('01', 1) + row('01', 2, PEER)]), []);
  },
);

t.test('a connection that was reset is in the table no more; to be missed once says nothing', async (t) => {
  t.strictSame(await told(['', '']), ['left']);
  t.strictSame(await told(['', row('01', 1), '']), []);
});

t.test(
  'nothing is read while no client is doubtful, and nothing is known where there is no table',
  async (t) => {
    t.strictSame(await told(['', ''], false), []);
    t.strictSame(await told([undefined, undefined]), []);
  },
);
