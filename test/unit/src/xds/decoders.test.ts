import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { parse } from 'yaml';
import { type EncodedResource, translateService } from '../../../../control-plane/translate/service.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { decodeCluster } from '../../../../src/xds/cluster.js';
import { codec } from '../../../../src/xds/descriptors.js';
import { decodeAssignment } from '../../../../src/xds/endpoint.js';
import { InvalidXdsError } from '../../../../src/xds/fields.js';
import { decodeListener } from '../../../../src/xds/listener.js';
import { messageNameOf, type ResourceKind } from '../../../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../../../src/xds/route.js';

/** Whatever a control plane sends: it is decoded, or refused with an error of ours that says why. */

t.setTimeout(300_000);

const DECODERS: Readonly<Partial<Record<ResourceKind, (bytes: Uint8Array) => unknown>>> = {
  cluster: decodeCluster,
  endpoint: decodeAssignment,
  listener: decodeListener,
  route: decodeRouteConfiguration,
};
const KINDS = Object.keys(DECODERS) as ResourceKind[];

/** What our own control plane makes of the services of the golden files: every feature there is. */
const valid: readonly EncodedResource[] = goldenInputs().flatMap((document) => {
  const context = { pinSecret: Buffer.alloc(32, 7), incarnation: () => '' };
  const { shared, localRoutes } = translateService(parseMeshService(document), context);
  return [...shared, localRoutes];
});

function goldenInputs(): unknown[] {
  const folder = fileURLToPath(
    new URL('../../../../../test/unit/control-plane/translate/golden', import.meta.url),
  );
  const files = readdirSync(folder).filter((file) => file.endsWith('.in.yaml'));
  return files.map((file) => parse(readFileSync(join(folder, file), 'utf8')));
}

/** @returns whether it was accepted. @throws Error for any error but ours, or one that says nothing */
function accepts(kind: ResourceKind, bytes: Uint8Array): boolean {
  try {
    DECODERS[kind]?.(bytes);
    return true;
  } catch (error) {
    if (error instanceof InvalidXdsError && error.problems.length > 0 && error.message !== '') return false;
    throw new Error(`${kind}: ${String(error)}`, { cause: error });
  }
}

t.test('bytes that are anything', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), fc.uint8Array({ maxLength: 200 }), (kind, bytes) => {
      accepts(kind, bytes);
    }),
    { numRuns: 3000 },
  );
});

const edit = fc.record({
  at: fc.nat(100_000),
  cut: fc.nat(6),
  put: fc.uint8Array({ maxLength: 6 }),
});

t.test('resources with some bytes cut, changed or put in', async (t) => {
  let accepted = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...valid),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      ({ kind, bytes }, edits) => {
        const broken = edits.reduce((all, { at, cut, put }) => {
          const from = at % (all.length + 1);
          return Buffer.concat([all.subarray(0, from), put, all.subarray(from + cut)]);
        }, bytes);
        if (accepts(kind, broken)) accepted++;
      },
    ),
    { numRuns: 6000 },
  );
  t.ok(accepted > 100, `${accepted} of 6,000 were still resources`);
});

type Plain = { [field: string]: unknown };

/** Every object within a message, itself included. */
function objectsIn(value: unknown): Plain[] {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return [value as Plain, ...Object.values(value).flatMap(objectsIn)];
}

const odd = fc.constantFrom<unknown>(
  ...[
    undefined,
    '',
    'x'.repeat(300),
    '\0',
    '((',
    '.*',
    '%',
    0,
    1,
    -1,
    0.5,
    2 ** 31,
    2 ** 32 - 1,
    Number.NaN,
    true,
  ],
  ...[
    [],
    {},
    [{}],
    { value: 0 },
    { seconds: -1 },
    { seconds: 2 ** 40, nanos: -5 },
    { typeUrl: 'x', value: Buffer.from([1]) },
  ],
  ...[
    Buffer.from([8]),
    ['', '*', '*'],
    'LEAST_REQUEST',
    'RING_HASH',
    'MAGLEV',
    'STATIC',
    'LOGICAL_DNS',
    'EDS',
  ],
);
const change = fc.tuple(fc.nat(10_000), fc.nat(10_000), odd);

t.test('resources with fields that are anything, or missing', async (t) => {
  let tried = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...valid),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      ({ kind, bytes }, changes) => {
        const { decode, encode } = codec(messageNameOf(kind));
        const message = structuredClone(decode(bytes)) as Plain;
        for (const [object, field, value] of changes) {
          const objects = objectsIn(message);
          const into = objects[object % objects.length] as Plain;
          const fields = Object.keys(into);
          if (fields.length > 0) into[fields[field % fields.length] as string] = structuredClone(value);
        }
        const encoded = encoding(() => encode(message));
        if (encoded === undefined) return;
        tried++;
        accepts(kind, encoded);
      },
    ),
    { numRuns: 6000 },
  );
  t.ok(tried > 1000, `${tried} could be sent`);
});

/** Undefined: no control plane could send that. */
function encoding(work: () => Buffer): Buffer | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

t.test('messages within messages without end', async (t) => {
  // Metadata may hold structures of structures: 20,000 of them, deeper than any stack.
  let nested = Buffer.from([0x2a, 0x00]);
  for (let depth = 0; depth < 20_000; depth++) {
    const inner = Buffer.concat([Buffer.from([0x0a, ...varint(nested.length)]), nested]);
    nested = Buffer.concat([Buffer.from([0x32, ...varint(inner.length)]), inner]);
    if (nested.length > 100_000) break;
  }
  const field = (number: number, bytes: Buffer) =>
    Buffer.concat([Buffer.from(varint((number << 3) | 2)), Buffer.from(varint(bytes.length)), bytes]);
  const entry = Buffer.concat([field(1, Buffer.from('k')), field(2, nested)]);
  const struct = field(1, entry);
  const metadata = field(1, Buffer.concat([field(1, Buffer.from('roost')), field(2, struct)]));
  // Cluster.metadata is 25.
  const cluster = Buffer.concat([field(1, Buffer.from('c')), field(25, metadata)]);
  t.type(accepts('cluster', cluster), 'boolean');
});

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

t.test('what our own control plane sends is accepted', async (t) => {
  for (const { kind, name, bytes } of valid) t.ok(accepts(kind, bytes), `${kind} ${name}`);
});
