import t from 'tap';
import { ReplayBuffer } from '../../../../sidecar/exchange/replay-buffer.js';

function replayed(buffer: ReplayBuffer): string {
  let written = '';
  buffer.writeTo({
    write(piece, start, end) {
      written += piece.toString('latin1', start, end);
    },
  });
  return written;
}

t.test('keeps copies: the memory of pieces is used again', async (t) => {
  const buffer = new ReplayBuffer(100);
  const piece = Buffer.from('first');
  buffer.add(piece, 0, 5);
  piece.write('other');
  buffer.keep(piece, 0, 5);
  piece.fill(0);
  t.equal(replayed(buffer), 'firstother');
});

t.test('plays back what was added, in order, as often as it is asked', async (t) => {
  const buffer = new ReplayBuffer(100);
  buffer.add(Buffer.from('xonex'), 1, 4);
  buffer.add(Buffer.from(' two'), 0, 4);
  buffer.add(Buffer.from(' three'), 0, 6);
  t.equal(replayed(buffer), 'one two three');
  t.equal(replayed(buffer), 'one two three');
  t.equal(buffer.intact, true);
});

t.test('keeps all or nothing: beyond its bound there is nothing to play back', async (t) => {
  const buffer = new ReplayBuffer(10);
  buffer.add(Buffer.alloc(10), 0, 10);
  t.equal(buffer.intact, true);
  buffer.add(Buffer.alloc(1), 0, 1);
  t.equal(buffer.intact, false);
  buffer.add(Buffer.alloc(1), 0, 1);
  t.equal(replayed(buffer), '');
});

t.test('keeps what is nowhere else, whatever its size', async (t) => {
  const buffer = new ReplayBuffer(10);
  buffer.add(Buffer.from('12345678'), 0, 8);
  buffer.keep(Buffer.from('abcdefgh'), 0, 8);
  t.equal(buffer.intact, true);
  t.equal(replayed(buffer), '12345678abcdefgh');
});
