import t from 'tap';
import { HeaderField, NEVER_INDEXED, NOT_INDEXED } from '../../../../sidecar/http2/header-field.js';
import { type HeaderListLimits, HpackDecoder } from '../../../../sidecar/http2/hpack-decoder.js';
import { HpackEncoder } from '../../../../sidecar/http2/hpack-encoder.js';
import { HpackError } from '../../../../sidecar/http2/hpack-error.js';

const ROOMY: HeaderListLimits = { maxListBytes: 65_536, maxFields: 100 };

function decode(hex: string, decoder = new HpackDecoder(4096, ROOMY)) {
  const bytes = Buffer.from(hex.replace(/\s/g, ''), 'hex');
  return decoder.decode(bytes, 0, bytes.length);
}

function encode(encoder: HpackEncoder, ...fields: readonly HeaderField[]): string {
  const out = Buffer.alloc(HpackEncoder.bound(fields));
  return out.toString('hex', 0, encoder.encode(fields, out, 0));
}

const BROKEN: readonly (readonly [what: string, hex: string])[] = [
  ['index 0', '80'],
  ['an index beyond both tables', 'be'],
  ['an index beyond both tables, of a name', '7f 00 01 61'],
  ['an integer that ends too soon', 'ff'],
  ['an integer that never ends', 'ff 80 80 80 80 80 80 80 01'],
  ['an integer beyond 32 bits', 'ff ff ff ff ff ff 7f'],
  ['no name', '40'],
  ['a name longer than the block', '40 05 61'],
  ['no value', '40 01 61'],
  ['a value longer than the block', '40 01 61 7f ff 01'],
  ['a size update behind a field', '82 20'],
  ['a size update beyond the announced size', '3f e2 1f'],
  ['padding of more than 7 bits', '40 01 61 82 1f ff'],
  ['padding that is not of 1 bits', '40 01 61 81 18'],
  ['the end of string in a Huffman code', '40 01 61 84 ff ff ff ff'],
];

for (const [what, hex] of BROKEN) {
  t.test(`refuses ${what}`, async (t) => {
    t.throws(() => decode(hex), HpackError);
  });
}

t.test('keeps no more of a block than the limits allow, and its table stays right', async (t) => {
  const large = Buffer.from(`40 01 61 7f a1 1e ${'78'.repeat(4000)}`.replace(/ /g, ''), 'hex').toString(
    'hex',
  );
  const decoder = new HpackDecoder(4096, { maxListBytes: 10_000, maxFields: 100 });
  const { fields, tooLarge } = decode(large + 'be'.repeat(10_000), decoder);
  t.equal(tooLarge, true);
  t.equal(fields.length, 2, 'two entries of 4,033 bytes fit in 10,000');
  t.same(decode('be', decoder).fields[0]?.value.length, 4000, 'the next block is read as it should be');
  const few = decode('82'.repeat(9), new HpackDecoder(4096, { ...ROOMY, maxFields: 8 }));
  t.same([few.fields.length, few.tooLarge], [8, true]);
});

t.test('an entry larger than the table empties it (RFC 7541 section 4.4)', async (t) => {
  const decoder = new HpackDecoder(64, ROOMY);
  decode('40 01 61 01 62', decoder);
  t.equal(decode('be', decoder).fields[0]?.value, 'b');
  decode(`40 01 61 40 ${'78'.repeat(64)}`, decoder);
  t.throws(() => decode('be', decoder), HpackError);
});

t.test('follows size updates of the peer, and evicts at once', async (t) => {
  const decoder = new HpackDecoder(4096, ROOMY);
  decode('40 01 61 01 62', decoder);
  t.throws(() => decode('20 be', decoder), HpackError, 'a table of no bytes has no entries');
  t.same(decode('3f e1 1f 40 01 61 01 62 be', decoder).fields.length, 2);
});

t.test('tells the peer of both sizes when its table shrank and grew between two blocks', async (t) => {
  const encoder = new HpackEncoder();
  const field = new HeaderField('a', 'b');
  t.equal(encode(encoder, field), '40811f818f');
  t.equal(encode(encoder, field), 'be');
  encoder.setPeerTableBytes(0);
  encoder.setPeerTableBytes(4096);
  t.equal(encode(encoder, field), '203fe11f40811f818f', 'it has been evicted in between');
  encoder.setPeerTableBytes(65_536);
  t.equal(encode(encoder, field), 'be', 'no more than 4096 bytes are used, whatever the peer announces');
});

t.test('puts nothing into a table without room', async (t) => {
  const encoder = new HpackEncoder();
  encoder.setPeerTableBytes(0);
  const field = new HeaderField('a', 'b');
  t.equal(encode(encoder, field), '2000811f818f');
  t.equal(encode(encoder, field), '00811f818f');
});

t.test('keeps how the sender wrote a field, so that secrets stay out of tables', async (t) => {
  const encoder = new HpackEncoder();
  const secret = new HeaderField('authorization', 'x', NEVER_INDEXED);
  const path = new HeaderField(':path', '/1', NOT_INDEXED);
  for (const round of [1, 2]) t.equal(encode(encoder, secret, path), '1f08017804022f31', `round ${round}`);
  const { fields } = decode('1f08017804022f31');
  t.same(
    fields.map(({ indexing }) => indexing),
    [NEVER_INDEXED, NOT_INDEXED],
  );
});

t.test('finds an entry again that another connection has written meanwhile', async (t) => {
  const [one, other] = [new HpackEncoder(), new HpackEncoder()];
  const field = new HeaderField('a', 'b');
  encode(one, field);
  encode(other, new HeaderField('c', 'd'), field, new HeaderField('e', 'f'));
  t.equal(encode(one, field), 'be');
  t.equal(encode(other, field), 'bf');
});
