import t from 'tap';
import { HeaderField } from '../../../../sidecar/http2/header-field.js';
import { HpackDecoder } from '../../../../sidecar/http2/hpack-decoder.js';
import { HpackEncoder } from '../../../../sidecar/http2/hpack-encoder.js';

/** The examples of RFC 7541 appendix C. */

type List = readonly (readonly [name: string, value: string])[];
interface Example {
  readonly plain: string;
  readonly huffman: string;
  readonly list: List;
}

const REQUEST: List = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];

/** C.3 and C.4: three requests on one connection. */
const REQUESTS: readonly Example[] = [
  {
    plain: '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    huffman: '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    list: REQUEST,
  },
  {
    plain: '8286 84be 5808 6e6f 2d63 6163 6865',
    huffman: '8286 84be 5886 a8eb 1064 9cbf',
    list: [...REQUEST, ['cache-control', 'no-cache']],
  },
  {
    plain: '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    huffman: '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    list: [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ],
  },
];

const RESPONSE_REST: List = [
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['location', 'https://www.example.com'],
];

/** C.5 and C.6: three responses, with a table of 256 bytes, so that entries are evicted. */
const RESPONSES: readonly Example[] = [
  {
    plain: `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
      2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
    huffman: `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
      2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
    list: [[':status', '302'], ...RESPONSE_REST],
  },
  {
    plain: '4803 3330 37c1 c0bf',
    huffman: '4883 640e ffc1 c0bf',
    list: [[':status', '307'], ...RESPONSE_REST],
  },
  {
    plain: `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
      54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745
      4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
    huffman: `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
      77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0
      03ed 4ee5 b106 3d50 07`,
    list: [
      [':status', '200'],
      ['cache-control', 'private'],
      ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
      ['location', 'https://www.example.com'],
      ['content-encoding', 'gzip'],
      ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
    ],
  },
];

const ROOMY = { maxListBytes: 65_536, maxFields: 100 };

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replace(/\s/g, ''), 'hex');

function decodeWith(decoder: HpackDecoder, hex: string): List {
  const bytes = bytesOf(hex);
  return decoder.decode(bytes, 0, bytes.length).fields.map(({ name, value }) => [name, value]);
}

function encodeWith(encoder: HpackEncoder, fields: readonly HeaderField[]): Buffer {
  const out = Buffer.alloc(HpackEncoder.bound(fields));
  return out.subarray(0, encoder.encode(fields, out, 0));
}

t.test('decodes single fields in every representation (C.2)', async (t) => {
  const indexingOf = (hex: string) => {
    const bytes = bytesOf(hex);
    const [field] = new HpackDecoder(4096, ROOMY).decode(bytes, 0, bytes.length).fields;
    return field && [field.name, field.value, field.indexing];
  };
  const indexed = '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572';
  t.same(indexingOf(indexed), ['custom-key', 'custom-header', 0]);
  t.same(indexingOf('040c 2f73 616d 706c 652f 7061 7468'), [':path', '/sample/path', 1]);
  t.same(indexingOf('1008 7061 7373 776f 7264 0673 6563 7265 74'), ['password', 'secret', 2]);
  t.same(indexingOf('82'), [':method', 'GET', 0]);
});

for (const coding of ['plain', 'huffman'] as const) {
  t.test(`decodes requests, ${coding} (${coding === 'plain' ? 'C.3' : 'C.4'})`, async (t) => {
    const decoder = new HpackDecoder(4096, ROOMY);
    for (const example of REQUESTS) t.same(decodeWith(decoder, example[coding]), example.list);
  });

  t.test(`decodes responses with evictions, ${coding} (${coding === 'plain' ? 'C.5' : 'C.6'})`, async (t) => {
    const decoder = new HpackDecoder(256, ROOMY);
    for (const example of RESPONSES) t.same(decodeWith(decoder, example[coding]), example.list);
  });
}

t.test('encodes requests byte for byte as the RFC does (C.4)', async (t) => {
  const encoder = new HpackEncoder();
  for (const { list, huffman } of REQUESTS) {
    const fields = list.map(([name, value]) => new HeaderField(name, value));
    t.equal(encodeWith(encoder, fields).toString('hex'), bytesOf(huffman).toString('hex'));
  }
});

t.test('encodes responses byte for byte as the RFC does, evictions included (C.6)', async (t) => {
  const encoder = new HpackEncoder();
  encoder.setPeerTableBytes(256);
  let update = '3fe101';
  for (const { list, huffman } of RESPONSES) {
    const fields = list.map(([name, value]) => new HeaderField(name, value));
    t.equal(encodeWith(encoder, fields).toString('hex'), update + bytesOf(huffman).toString('hex'));
    update = '';
  }
});
