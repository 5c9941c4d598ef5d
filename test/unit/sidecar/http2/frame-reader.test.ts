import fc from 'fast-check';
import t from 'tap';
import { ConnectionError } from '../../../../sidecar/http2/error-code.js';
import { FrameReader } from '../../../../sidecar/http2/frame-reader.js';
import { data, frame, PREFACE, settings, TYPE, uint32 } from '../../../support/http2/frames.js';

type Pieces = readonly Buffer[];

/** What a reader tells of these pieces: content joined, because where it is cut does not matter. */
function told(pieces: Pieces, expectsPreface = false): unknown[] {
  const events: unknown[] = [];
  let content = '';
  const reader = new FrameReader(
    {
      onFrameHead: (...head) => void events.push(['head', ...head]),
      onFrame: (type, flags, id, bytes, start, end) =>
        void events.push(['frame', type, flags, id, bytes.toString('hex', start, end)]),
      onDataPiece: (piece, start, end) => {
        content += piece.toString('hex', start, end);
      },
      onDataEnd: (end) => {
        events.push(['data', content, end]);
        content = '';
      },
    },
    expectsPreface,
  );
  try {
    // As a socket's buffer is, used again after each piece.
    for (const piece of pieces) {
      const copy = Buffer.from(piece);
      reader.read(copy);
      copy.fill(0xff);
    }
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    events.push(['error', error.code]);
  }
  return events;
}

const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const anyFrame = fc.oneof(
  fc.tuple(fc.nat(11), fc.nat(255), fc.nat(5), payload).map((parts) => frame(...parts)),
  fc
    .tuple(fc.constantFrom(0, 1, 8, 9), fc.nat(3), payload)
    .map(([flags, id, bytes]) => frame(0, flags, id, bytes)),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
);

t.test('any split of the bytes gives the same frames, content and errors', async (t) => {
  const cuts = fc.array(fc.nat(2000), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 6 }), cuts, fc.boolean(), (frames, cuts, expectsPreface) => {
      const bytes = Buffer.concat(expectsPreface ? [PREFACE, ...frames] : frames);
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const pieces = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
      const whole = told([bytes], expectsPreface);
      t.same(told(pieces, expectsPreface), whole);
      t.same(
        told(
          Array.from(bytes, (byte) => Buffer.from([byte])),
          expectsPreface,
        ),
        whole,
      );
    }),
    { numRuns: 300 },
  );
});

t.test('content goes on as it comes, without its padding', async (t) => {
  const padded = frame(TYPE.data, 9, 3, Buffer.from('\x03abcdePAD', 'latin1'));
  t.same(told([padded]), [
    ['head', 0, 9, 3, 9],
    ['data', Buffer.from('abcde').toString('hex'), true],
  ]);
});

const WRONG: readonly (readonly [what: string, bytes: Buffer, code: number])[] = [
  ['a frame beyond 16,384 bytes', Buffer.from('0040010000000000010000', 'hex'), 6],
  ['DATA of no stream', data(0, 'x'), 1],
  ['HEADERS of no stream', frame(TYPE.headers, 4, 0), 1],
  ['PRIORITY of no stream', frame(TYPE.priority, 0, 0, Buffer.alloc(5)), 1],
  ['RST_STREAM of no stream', frame(TYPE.reset, 0, 0, uint32(0)), 1],
  ['CONTINUATION of no stream', frame(TYPE.continuation, 4, 0), 1],
  ['SETTINGS of a stream', frame(TYPE.settings, 0, 1), 1],
  ['PING of a stream', frame(TYPE.ping, 0, 1, Buffer.alloc(8)), 1],
  ['GOAWAY of a stream', frame(TYPE.goAway, 0, 1, Buffer.alloc(8)), 1],
  ['SETTINGS of an odd length', frame(TYPE.settings, 0, 0, Buffer.alloc(5)), 6],
  ['a PING that is too short', frame(TYPE.ping, 0, 0, Buffer.alloc(7)), 6],
  ['a RST_STREAM that is too long', frame(TYPE.reset, 0, 1, Buffer.alloc(5)), 6],
  ['a WINDOW_UPDATE that is too short', frame(TYPE.windowUpdate, 0, 1, Buffer.alloc(3)), 6],
  ['a GOAWAY that is too short', frame(TYPE.goAway, 0, 0, Buffer.alloc(7)), 6],
  ['padding longer than the payload', frame(TYPE.data, 8, 1, Buffer.from([3, 1, 2])), 1],
  ['padding without a length', frame(TYPE.data, 8, 1), 6],
];

for (const [what, bytes, code] of WRONG) {
  t.test(`refuses ${what}`, async (t) => {
    t.same(told([bytes]).at(-1), ['error', code]);
  });
}

t.test('refuses what does not begin with the preface', async (t) => {
  t.same(told([Buffer.from('GET / HTTP/1.1\r\n')], true), [['error', 1]]);
  t.same(told([PREFACE, settings([3, 100])], true).length, 2);
});
