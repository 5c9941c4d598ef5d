import protobuf from 'protobufjs/light.js';

/**
 * `google.protobuf.Struct` between bytes and plain JSON, without the objects that a general codec makes of every value:
 * of a mesh of 20,000 routes these are the larger part of what a change costs.
 */

/** Deepest nesting read, as the general codec has it: beyond it, a message is refused. */
const MAX_DEPTH = 100;

/** Field numbers of `google.protobuf.Value`. */
const VALUE = { null: 1, number: 2, string: 3, bool: 4, struct: 5, list: 6 } as const;
const VARINT = 0;
const DOUBLE = 1;
const DELIMITED = 2;

export function encodeStruct(value: object): Uint8Array {
  return writeStruct(protobuf.Writer.create(), value).finish();
}

function writeStruct(writer: protobuf.Writer, value: object): protobuf.Writer {
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    // A map's entry: key = 1, value = 2.
    writer.uint32(tag(1, DELIMITED)).fork().uint32(tag(1, DELIMITED)).string(key);
    writeValue(writer.uint32(tag(2, DELIMITED)).fork(), member)
      .ldelim()
      .ldelim();
  }
  return writer;
}

function writeValue(writer: protobuf.Writer, value: unknown): protobuf.Writer {
  switch (typeof value) {
    case 'number':
      return writer.uint32(tag(VALUE.number, DOUBLE)).double(value);
    case 'string':
      return writer.uint32(tag(VALUE.string, DELIMITED)).string(value);
    case 'boolean':
      return writer.uint32(tag(VALUE.bool, VARINT)).bool(value);
    case 'object':
      if (value === null) return writer.uint32(tag(VALUE.null, VARINT)).int32(0);
      if (!Array.isArray(value))
        return writeStruct(writer.uint32(tag(VALUE.struct, DELIMITED)).fork(), value).ldelim();
      writer.uint32(tag(VALUE.list, DELIMITED)).fork();
      for (const item of value) writeValue(writer.uint32(tag(1, DELIMITED)).fork(), item).ldelim();
      return writer.ldelim();
    default:
      throw new TypeError(`a ${typeof value} has no JSON form`);
  }
}

/** @throws Error or RangeError where the bytes are no Struct */
export function decodeStruct(bytes: Uint8Array): Record<string, unknown> {
  return readStruct(protobuf.Reader.create(bytes), bytes.length, 0);
}

function readStruct(reader: protobuf.Reader, end: number, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new Error(`a document is nested deeper than ${MAX_DEPTH}`);
  const entries: [string, unknown][] = [];
  readFields(reader, end, (field, wireType) => {
    if (field !== 1 || wireType !== DELIMITED) return false;
    entries.push(readEntry(reader, reader.uint32() + reader.pos, depth));
    return true;
  });
  // Not by assignment: a key may be `__proto__`.
  return Object.fromEntries(entries);
}

function readEntry(reader: protobuf.Reader, end: number, depth: number): [string, unknown] {
  let key = '';
  let value: unknown = null;
  readFields(reader, end, (field, wireType) => {
    if (wireType !== DELIMITED || field > 2) return false;
    if (field === 1) key = reader.string();
    else value = readValue(reader, reader.uint32() + reader.pos, depth);
    return true;
  });
  return [key, value];
}

function readValue(reader: protobuf.Reader, end: number, depth: number): unknown {
  let value: unknown = null;
  readFields(reader, end, (field, wireType) => {
    if (wireType === DOUBLE && field === VALUE.number) value = reader.double();
    else if (wireType === VARINT && field === VALUE.bool) value = reader.bool();
    else if (wireType === DELIMITED && field === VALUE.string) value = reader.string();
    else if (wireType === DELIMITED && field === VALUE.struct)
      value = readStruct(reader, reader.uint32() + reader.pos, depth + 1);
    else if (wireType === DELIMITED && field === VALUE.list)
      value = readList(reader, reader.uint32() + reader.pos, depth + 1);
    else return false;
    return true;
  });
  return value;
}

function readList(reader: protobuf.Reader, end: number, depth: number): unknown[] {
  if (depth > MAX_DEPTH) throw new Error(`a document is nested deeper than ${MAX_DEPTH}`);
  const values: unknown[] = [];
  readFields(reader, end, (field, wireType) => {
    if (field !== 1 || wireType !== DELIMITED) return false;
    values.push(readValue(reader, reader.uint32() + reader.pos, depth));
    return true;
  });
  return values;
}

/** @param read reads one field, or says that it does not know it */
function readFields(
  reader: protobuf.Reader,
  end: number,
  read: (field: number, wireType: number) => boolean,
): void {
  if (end > reader.len) throw new RangeError('a message is cut');
  while (reader.pos < end) {
    const next = reader.uint32();
    if (!read(next >>> 3, next & 7)) reader.skipType(next & 7);
  }
  if (reader.pos !== end) throw new RangeError('a field is longer than its message');
}

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}
