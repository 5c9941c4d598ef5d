import { DynamicTable } from './dynamic-table.js';
import { HeaderField, INDEXED, type Indexing, NEVER_INDEXED, NOT_INDEXED } from './header-field.js';
import { HpackError } from './hpack-error.js';
import { decodeHuffman } from './huffman.js';
import { STATIC_COUNT, STATIC_FIELDS } from './static-table.js';

/** Continuation bytes of an integer: enough for 2^32, which no length or index of ours comes near. */
const MAX_INTEGER_SHIFT = 28;

/** First bytes of the representations (RFC 7541 section 6). */
const INDEXED_FIELD = 0x80;
const LITERAL_INDEXED = 0x40;
const SIZE_UPDATE = 0x20;
const LITERAL_NEVER_INDEXED = 0x10;
const HUFFMAN = 0x80;

/** What one header block may hold. */
export interface HeaderListLimits {
  /** Names, values and 32 for each field: SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 section 6.5.2). */
  readonly maxListBytes: number;
  readonly maxFields: number;
}

/** A decoded header block. */
export interface DecodedBlock {
  readonly fields: HeaderField[];
  /** It had more than the limits allow; `fields` ends where they were reached. */
  readonly tooLarge: boolean;
}

/**
 * Decodes the header blocks of one connection, in their order. Bounded by the table's size and by the limits of a
 * list: a block of small references to a large entry (an HPACK bomb) is read to its end, because the table's state
 * depends on it, but nothing of it is kept beyond the limits.
 */
export class HpackDecoder {
  private readonly table: DynamicTable;
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;

  /** @param maxTableBytes what this side has announced as SETTINGS_HEADER_TABLE_SIZE */
  constructor(
    maxTableBytes: number,
    private readonly limits: HeaderListLimits,
  ) {
    this.table = new DynamicTable(maxTableBytes);
  }

  /** Decodes a whole block; `bytes` may be used again once this returns. @throws HpackError */
  decode(bytes: Buffer, start: number, end: number): DecodedBlock {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    const { maxListBytes, maxFields } = this.limits;
    const fields: HeaderField[] = [];
    let size = 0;
    let tooLarge = false;
    this.readSizeUpdates();
    while (this.at < end) {
      const field = this.readField();
      size += field.size;
      tooLarge ||= size > maxListBytes || fields.length === maxFields;
      if (!tooLarge) fields.push(field);
    }
    return { fields, tooLarge };
  }

  /** They come before the first field, or not at all (RFC 7541 section 4.2). */
  private readSizeUpdates(): void {
    while (this.at < this.end) {
      const first = this.bytes[this.at] as number;
      if (first < SIZE_UPDATE || first >= LITERAL_INDEXED) return;
      const size = this.readInteger(0x1f);
      if (size > this.table.maxBytes)
        throw new HpackError('a table size update is beyond what was announced');
      this.table.resize(size);
    }
  }

  private readField(): HeaderField {
    const first = this.bytes[this.at] as number;
    if (first >= INDEXED_FIELD) return this.fieldAt(this.readInteger(0x7f));
    if (first >= LITERAL_INDEXED) {
      const field = this.readLiteral(0x3f, INDEXED);
      this.table.insert(field);
      return field;
    }
    if (first >= SIZE_UPDATE) throw new HpackError('a table size update comes behind a field');
    return this.readLiteral(0x0f, first >= LITERAL_NEVER_INDEXED ? NEVER_INDEXED : NOT_INDEXED);
  }

  private readLiteral(mask: number, indexing: Indexing): HeaderField {
    const index = this.readInteger(mask);
    const name = index === 0 ? this.readString() : this.fieldAt(index).name;
    return new HeaderField(name, this.readString(), indexing);
  }

  private fieldAt(index: number): HeaderField {
    const field = index <= STATIC_COUNT ? STATIC_FIELDS[index] : this.table.at(index - STATIC_COUNT - 1);
    if (field === undefined) throw new HpackError('an index points to no entry');
    return field;
  }

  /** Section 5.1. @param mask the bits of the first byte that belong to it */
  private readInteger(mask: number): number {
    const { bytes, end } = this;
    let value = (bytes[this.at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.at >= end) throw new HpackError('a header block ends within an integer');
      if (shift > MAX_INTEGER_SHIFT) throw new HpackError('an integer is too long');
      const byte = bytes[this.at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  /** Section 5.2. */
  private readString(): string {
    if (this.at >= this.end) throw new HpackError('a header block ends before a string');
    const isHuffman = (this.bytes[this.at] as number) >= HUFFMAN;
    const length = this.readInteger(0x7f);
    const start = this.at;
    if (length > this.end - start) throw new HpackError('a header block ends within a string');
    this.at = start + length;
    return isHuffman
      ? decodeHuffman(this.bytes, start, this.at)
      : this.bytes.toString('latin1', start, this.at);
  }
}
