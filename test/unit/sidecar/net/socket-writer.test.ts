import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { SocketWriter } from '../../../../sidecar/net/socket-writer.js';

/** What a writer does to its socket, call by call. */
function recording() {
  const calls: string[] = [];
  const socket = {
    writableNeedDrain: false,
    write: (data: Buffer | string) => calls.push(typeof data === 'string' ? data : data.toString('latin1')),
    cork: () => calls.push('(cork)'),
    uncork: () => calls.push('(uncork)'),
    on: () => {},
    writableLength: 0,
  };
  return { writer: new SocketWriter(socket as unknown as Socket, () => {}), socket, calls };
}

const big = Buffer.alloc(20_000, 'b');

t.test('joins everything small into one write', async (t) => {
  const { writer, calls } = recording();
  writer.writeText('head ');
  writer.writeRange(Buffer.from('xbodyx'), 1, 5);
  writer.writeText(' end');
  t.strictSame(calls, []);
  writer.flush();
  writer.flush();
  t.strictSame(calls, ['head body end']);
});

t.test('keeps the order around pieces too big to join', async (t) => {
  const { writer, calls } = recording();
  writer.writeText('head ');
  writer.writeRange(big, 0, big.length);
  writer.writeText('between ');
  writer.writeRange(Buffer.from('small '), 0, 6);
  writer.writeRange(big, 1, big.length);
  writer.writeRange(big, 0, big.length);
  writer.writeText('tail');
  writer.flush();
  const text = calls.filter((call) => !call.startsWith('(')).join('');
  const b = big.toString('latin1');
  t.equal(text, `head ${b}between small ${b.slice(1)}${b}tail`);
});

t.test('joins no more than a bounded amount', async (t) => {
  const { writer, calls } = recording();
  const small = Buffer.alloc(10_000, 's');
  for (let i = 0; i < 10; i++) writer.writeRange(small, 0, small.length);
  t.ok(calls.length > 0, 'something was written before the flush');
  writer.flush();
  t.equal(calls.filter((call) => !call.startsWith('(')).join('').length, 100_000);
});

t.test('writes bytes, not characters', async (t) => {
  const socket = {
    on: () => {},
    write: (data: string, encoding: BufferEncoding) => t.strictSame([data, encoding], ['\xff\x80', 'latin1']),
  };
  const writer = new SocketWriter(socket as unknown as Socket, () => {});
  writer.writeRange(Buffer.from([0xff, 0x80]), 0, 2);
  writer.flush();
});

t.test('is congested while the socket is', async (t) => {
  const { writer, socket } = recording();
  t.equal(writer.congested, false);
  socket.writableNeedDrain = true;
  t.equal(writer.congested, true);
});

/** A socket and its peer, which reads when it is told to. */
async function connected(t: Test): Promise<[Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  const near = connect(address.port, '127.0.0.1');
  const [[far]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(near, 'connect')]);
  t.teardown(() => {
    for (const each of [near, far]) each.destroy();
    server.close();
  });
  return [near, far];
}

t.test(
  'memory that is used again at once: each peer gets what it was sent, however late it reads',
  async (t) => {
    const piece = Buffer.alloc(65_536);
    const pairs = await Promise.all(Array.from({ length: 20 }, () => connected(t)));
    const writers = pairs.map(([near]) => new SocketWriter(near, () => {}));
    const expected = pairs.map((): Buffer[] => []);
    const got = pairs.map(([, far]) => {
      const parts: Buffer[] = [];
      far.on('data', (part) => parts.push(part));
      far.pause();
      return parts;
    });
    for (let turn = 0; turn < 150; turn++) {
      writers.forEach((writer, i) => {
        const length = 16_385 + ((turn * 7919 + i * 104_729) % 49_152);
        piece.fill(`${i} ${turn} `);
        if (turn % 3 === 0) writer.writeText(`(${turn})`);
        writer.writeRange(piece, 0, length);
        expected[i]?.push(
          Buffer.from(turn % 3 === 0 ? `(${turn})` : ''),
          Buffer.from(piece.subarray(0, length)),
        );
      });
      // Some read meanwhile, so that memory comes back while other writes wait.
      if (turn % 10 === 5) {
        for (const [, far] of pairs.slice(0, 12)) far.resume();
        await sleep(5);
        for (const [, far] of pairs.slice(0, 12)) far.pause();
      }
    }
    t.ok(
      writers.some((writer) => writer.congested),
      'some peers do not read',
    );
    for (const [near, far] of pairs) {
      near.end();
      far.resume();
    }
    await Promise.all(pairs.map(([, far]) => once(far, 'end')));
    for (const [i, parts] of got.entries())
      t.ok(Buffer.concat(parts).equals(Buffer.concat(expected[i] as Buffer[])), `${i}`);
  },
);

t.test('takes back what has not gone on yet, and nothing else', async (t) => {
  const { writer, calls } = recording();
  writer.writeText('before ');
  const start = writer.position;
  writer.writeText('head ');
  writer.writeRange(Buffer.from('body'), 0, 4);
  t.ok(writer.withdraw(start));
  writer.writeText('instead');
  writer.flush();
  t.strictSame(calls, ['before instead']);
  t.notOk(writer.withdraw(start));
  const next = writer.position;
  writer.writeText('head ');
  writer.writeRange(big, 0, big.length);
  t.notOk(writer.withdraw(next));
});
