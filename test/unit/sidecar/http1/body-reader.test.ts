import t from 'tap';
import { BodyReader } from '../../../../sidecar/http1/body-reader.js';
import type { Framing } from '../../../../sidecar/http1/framing.js';

function read(framing: Framing, pieces: readonly string[]) {
  const body = new BodyReader(1000);
  body.start(framing, 'content');
  let taken = '';
  let rest = '';
  for (const piece of pieces) {
    const end = body.read(Buffer.from(piece), 0, (from, a, b) => (taken += from.toString('latin1', a, b)));
    rest = piece.slice(end);
  }
  return { taken, rest, complete: body.complete, endsWithConnection: body.endsWithConnection };
}

t.test('reads as many bytes as the length says, in whatever pieces (RFC 9112 section 6.2)', async (t) => {
  const framing = { kind: 'length', length: 5 } as const;
  const whole = { taken: 'hello', rest: 'NEXT', complete: true, endsWithConnection: false };
  t.strictSame(read(framing, ['helloNEXT']), whole);
  t.strictSame(read(framing, ['he', 'l', 'loNEXT']), whole);
  t.strictSame(read(framing, ['hell']), { ...whole, taken: 'hell', rest: '', complete: false });
});

t.test('a message without a body is complete at once', async (t) => {
  const body = new BodyReader(1000);
  body.start({ kind: 'none', length: 0 }, 'raw');
  t.equal(body.complete, true);
  t.equal(body.trailers, '');
});

t.test('a body until close is never complete by itself (RFC 9112 section 6.3)', async (t) => {
  const seen = read({ kind: 'until-close', length: 0 }, ['a', 'bc']);
  t.strictSame(seen, { taken: 'abc', rest: '', complete: false, endsWithConnection: true });
});

t.test('has the trailers of a chunked body only', async (t) => {
  const body = new BodyReader(1000);
  body.start({ kind: 'chunked', length: 0 }, 'raw');
  body.read(Buffer.from('0\r\nT: 1\r\n\r\n'), 0, () => {});
  t.equal(body.trailers, 'T: 1\r\n');
  body.start({ kind: 'length', length: 1 }, 'raw');
  t.equal(body.trailers, '');
});
