import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { PinDigests } from '../../../../src/routing/pins.js';
import { PinRecords, RECORD_BYTES } from '../../../../src/sessions/pin-records.js';
import type { SharedSession } from '../../../../src/sessions/shared-pin.js';

const SECRET = Buffer.alloc(32, 7);
const digests = new PinDigests(SECRET, 'checkout.shop');

const session: fc.Arbitrary<SharedSession> = fc
  .record({
    hash: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    release: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    address: fc.string(),
    label: fc.boolean(),
    generation: fc.integer({ min: 0, max: 0xffff }),
    revision: fc.integer({ min: 0, max: 0xffffffff }),
    idleS: fc.integer({ min: 0, max: 0xffffffff }),
    source: fc.integer({ min: 0, max: 255 }),
    tag: fc.integer({ min: 0, max: 0xffffffff }),
  })
  .map(({ hash, release, address, label, generation, revision, ...rest }) => ({
    hash,
    pin: { ...digests.pin({ release, label: label && release !== 0 }, address), generation, revision },
    ...rest,
  }));

t.test('a record read is the session that was written', async (t) => {
  const records = new PinRecords(SECRET);
  fc.assert(
    fc.property(fc.array(session, { maxLength: 20 }), (sessions) => {
      const bytes = records.write(sessions);
      t.equal(bytes.length, sessions.length * RECORD_BYTES);
      const read = records.read(bytes);
      return read.damaged === 0 && isDeepStrictEqual(read.sessions, sessions);
    }),
  );
});

t.test('records of another service, damaged ones and parts are not read', async (t) => {
  const [one] = fc.sample(session, { numRuns: 1, seed: 1 });
  const records = new PinRecords(SECRET);
  const bytes = records.write([one as SharedSession]);
  t.same(new PinRecords(Buffer.alloc(32, 8)).read(bytes), { sessions: [], damaged: 1 });
  for (let i = 0; i < BLOCKS_THAT_ARE_PROVED; i++) {
    const damaged = Buffer.from(bytes);
    damaged[i] = (damaged[i] as number) ^ 1;
    t.same(records.read(damaged).sessions, [], `byte ${i}`);
  }
  t.equal(records.read(bytes.subarray(0, 40)).damaged, 1);
  t.equal(records.read(Buffer.concat([bytes, bytes.subarray(0, 5)])).sessions.length, 1);
  t.same(records.read(Buffer.alloc(0)), { sessions: [], damaged: 0 });
});

/** A change in the first block, which finds the session, or in the last never goes unnoticed. */
const BLOCKS_THAT_ARE_PROVED = 16;

t.test('one session has one first block, and nothing else that repeats', async (t) => {
  const [one] = fc.sample(session, { numRuns: 1, seed: 2 }) as [SharedSession];
  const records = new PinRecords(SECRET);
  const other = { ...one, hash: one.hash ^ 1n };
  const [a, b, c] = [one, { ...one, idleS: 1, pin: { ...one.pin, generation: 1 } }, other].map((each) =>
    records.write([each]),
  ) as [Buffer, Buffer, Buffer];
  t.same(a.subarray(0, 16), b.subarray(0, 16));
  t.notSame(a.subarray(16), b.subarray(16));
  t.notSame(a.subarray(16, 32), c.subarray(16, 32), 'two sessions on one endpoint look different');
});

t.test('a session is located by its hash alone, apart from those of another service', async (t) => {
  const [a, b] = [new PinRecords(Buffer.alloc(32, 1)), new PinRecords(Buffer.alloc(32, 2))];
  const [first, second] = a.locate([1n, 2n]) as [Buffer, Buffer];
  t.equal(first.length, 16);
  t.strictSame(a.locate([1n]), [first]);
  t.notSame(first, second);
  t.notSame(b.locate([1n]), [first]);
});
