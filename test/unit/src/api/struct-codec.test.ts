import fc from 'fast-check';
import protobuf from 'protobufjs/light.js';
import t from 'tap';
import { configServiceConstructor, loadApiDefinition } from '../../../../src/api/config-service.js';
import { PlainDocument } from '../../../../src/api/documents-codec.js';
import { fromStruct, type Struct, toStruct } from '../../../../src/api/struct.js';
import { decodeStruct, encodeStruct } from '../../../../src/api/struct-codec.js';
import { codec } from '../../../../src/xds/descriptors.js';
import { meshService } from '../../../support/shop.js';

const GENERAL = codec('google.protobuf.Struct');
const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 }) as fc.Arbitrary<unknown>);
const APPLY = configServiceConstructor(loadApiDefinition()).service.Apply as {
  requestSerialize(request: object): Buffer;
  requestDeserialize(bytes: Buffer): { documents: PlainDocument[]; dryRun: boolean; grant: string };
};

/** What JSON leaves of a value. */
const asJson = (value: unknown) => JSON.parse(JSON.stringify(value)) as object;

t.test('documents are written and read as the general codec does', async (t) => {
  fc.assert(
    fc.property(json, (value) => {
      const plain = asJson(value);
      t.same(decodeStruct(encodeStruct(plain)), plain);
      t.same(decodeStruct(GENERAL.encode(toStruct(plain))), plain);
      t.same(asJson(fromStruct(GENERAL.decode(encodeStruct(plain)) as Struct)), plain);
    }),
    { numRuns: 200 },
  );
});

t.test('an apply of plain documents and one of Structs are the same', async (t) => {
  const documents = [meshService('cart.shop'), meshService('pay.shop', { v1: 9, v2: 1 })];
  const others = { dryRun: true, grant: 'keep', expectedRevision: 7 };
  const plain = APPLY.requestSerialize({
    ...others,
    documents: documents.map((each) => new PlainDocument(each)),
  });
  const structs = APPLY.requestSerialize({ ...others, documents: documents.map(toStruct) });
  for (const bytes of [plain, structs])
    t.match(APPLY.requestDeserialize(bytes), {
      ...others,
      documents: documents.map((value) => ({ value })),
    });
  t.same(APPLY.requestDeserialize(APPLY.requestSerialize({})).documents, []);
});

t.test('bytes that are no document are refused, whatever they are', async (t) => {
  const bytes = Buffer.from(encodeStruct({ a: { b: ['c', 1, true, null] } }));
  for (let length = 1; length < bytes.length; length++)
    t.throws(() => decodeStruct(bytes.subarray(0, length)), `${length} bytes of it`);
  const outer = Buffer.from(bytes);
  outer[1] = 120;
  t.throws(() => decodeStruct(outer), { message: /cut|range/ });
  let deep: object = {};
  for (let i = 0; i < 200; i++) deep = { deep };
  t.throws(() => decodeStruct(encodeStruct(deep)), { message: /nested deeper/ });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      try {
        decodeStruct(random);
      } catch (error) {
        t.ok(error instanceof Error);
      }
    }),
  );
});

t.test('a key is never more than a key, and what is unknown is skipped', async (t) => {
  const value = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}') as object;
  const read = decodeStruct(encodeStruct(value));
  t.same(Object.keys(read), ['__proto__', 'a']);
  t.equal(({} as { polluted?: boolean }).polluted, undefined);
  const unknown = protobuf.Writer.create()
    .uint32((9 << 3) | 2)
    .string('later')
    .finish();
  t.same(decodeStruct(Buffer.concat([unknown, encodeStruct({ a: 1 })])), { a: 1 });
});
