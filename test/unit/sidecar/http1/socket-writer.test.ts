import type { Socket } from 'node:net';
import t from 'tap';
import { SocketWriter } from '../../../../sidecar/http1/socket-writer.js';

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
