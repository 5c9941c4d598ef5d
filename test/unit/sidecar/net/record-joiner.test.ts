import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { deliverJoined, joinRecords } from '../../../../sidecar/net/record-joiner.js';

const FULL = 16_384;

/** What two connections were given, in the order of all. */
class Readers {
  readonly taken: { readonly by: number; readonly bytes: Buffer }[] = [];
  readonly takes = [0, 1].map((by) => (piece: Buffer) => {
    this.taken.push({ by, bytes: Buffer.from(piece) });
  });

  join(by: number, piece: Buffer): void {
    joinRecords(piece, this.takes[by] as (piece: Buffer) => void);
  }

  bytesOf(by: number): Buffer {
    return Buffer.concat(this.taken.filter((piece) => piece.by === by).map(({ bytes }) => bytes));
  }
}

t.test('full records are joined, up to the first that is not full', async (t) => {
  const readers = new Readers();
  for (let i = 0; i < 3; i++) readers.join(0, Buffer.alloc(FULL, i));
  t.equal(readers.taken.length, 0);
  readers.join(0, Buffer.alloc(10, 3));
  t.strictSame(
    readers.taken.map(({ bytes }) => bytes.length),
    [3 * FULL + 10],
  );
});

t.test('what is not full waits for nothing', async (t) => {
  const readers = new Readers();
  readers.join(0, Buffer.alloc(FULL - 1));
  t.equal(readers.taken.length, 1);
});

t.test('a full record that is the last waits until all that is there has been read', async (t) => {
  const readers = new Readers();
  readers.join(0, Buffer.alloc(FULL));
  t.equal(readers.taken.length, 0);
  await setImmediate();
  t.equal(readers.taken.length, 1);
});

t.test('nothing is lost or changed, and another connection puts nothing off', async () => {
  const piece = fc.record({
    by: fc.nat(1),
    length: fc.oneof(fc.constant(FULL), fc.integer({ min: 1, max: FULL })),
    turnEnds: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
      const readers = new Readers();
      const sent: Buffer[][] = [[], []];
      const hasAll = (by: number) => readers.bytesOf(by).equals(Buffer.concat(sent[by] as Buffer[]));
      // As sockets do, from memory that is used again.
      const memory = Buffer.alloc(FULL);
      for (const [i, { by, length, turnEnds }] of pieces.entries()) {
        memory.fill(i);
        sent[by]?.push(Buffer.alloc(length, i));
        readers.join(by, memory.subarray(0, length));
        if (!hasAll(1 - by)) return false;
        if (turnEnds) await setImmediate();
        if (turnEnds && !hasAll(by)) return false;
      }
      deliverJoined();
      return hasAll(0) && hasAll(1) && readers.taken.every(({ bytes }) => bytes.length <= 65_536);
    }),
    { numRuns: 50 },
  );
});
