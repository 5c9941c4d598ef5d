import { DynamicTable } from './dynamic-table.js';
import { type HeaderField, INDEXED, NEVER_INDEXED } from './header-field.js';
import { encodeHuffman, huffmanLength } from './huffman.js';
import { STATIC_COUNT, STATIC_NAMES, staticIndexOf } from './static-table.js';

/** What the peer may let us keep is used up to here, whatever it announces. */
export const MAX_ENCODER_TABLE_BYTES = 4096;

/** Integers of one field, its two lengths and its index, take no more. */
const FIELD_OVERHEAD_BYTES = 16;
/** A block may begin with two size updates. */
const BLOCK_OVERHEAD_BYTES = 16;
/** To copy short text character by character is faster than to have it copied. */
const SHORT_TEXT = 24;

const INDEXED_FIELD = 0x80;
const LITERAL_INDEXED = 0x40;
const SIZE_UPDATE = 0x20;
const LITERAL_NEVER_INDEXED = 0x10;
const LITERAL_NOT_INDEXED = 0x00;
const HUFFMAN = 0x80;

/** What the table has of one name. */
interface NameEntries {
  /** Sequence number of the newest. */
  newest: number;
  readonly values: Map<string, number>;
}

/**
 * Encodes the header lists of one connection, in their order. Each field is written the way its sender has written it:
 * indexed, not indexed, or never indexed. What goes into the table is Huffman-coded, because it is sent once and
 * referred to from then on; what does not is written plainly, because coding it in every message costs more than its
 * bytes do.
 */
export class HpackEncoder {
  private readonly names = new Map<string, NameEntries>();
  private readonly table = new DynamicTable(MAX_ENCODER_TABLE_BYTES, (field, sequence) =>
    this.forget(field, sequence),
  );
  /** Size updates that the next block begins with (RFC 7541 section 4.2): the smallest and the last; -1: none. */
  private smallestUpdate = -1;
  private lastUpdate = -1;
  private out: Buffer = Buffer.alloc(0);
  private at = 0;

  /** The peer announces how large a table it keeps: SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableBytes(announced: number): void {
    const bytes = Math.min(announced, MAX_ENCODER_TABLE_BYTES);
    if (bytes === this.table.capacity) return;
    this.table.resize(bytes);
    this.smallestUpdate = this.smallestUpdate === -1 ? bytes : Math.min(this.smallestUpdate, bytes);
    this.lastUpdate = bytes;
  }

  /** The most bytes that {@link encode} writes for these fields. */
  static bound(fields: readonly HeaderField[]): number {
    let bytes = BLOCK_OVERHEAD_BYTES;
    for (let i = 0; i < fields.length; i++) bytes += (fields[i] as HeaderField).size + FIELD_OVERHEAD_BYTES;
    return bytes;
  }

  /** @param out has room for {@link bound}. @returns where the block ends in it */
  encode(fields: readonly HeaderField[], out: Buffer, start: number): number {
    this.out = out;
    this.at = start;
    if (this.lastUpdate !== -1) this.writeSizeUpdates();
    for (let i = 0; i < fields.length; i++) this.writeField(fields[i] as HeaderField);
    return this.at;
  }

  private writeSizeUpdates(): void {
    if (this.smallestUpdate < this.lastUpdate) this.writeInteger(SIZE_UPDATE, 0x1f, this.smallestUpdate);
    this.writeInteger(SIZE_UPDATE, 0x1f, this.lastUpdate);
    this.smallestUpdate = -1;
    this.lastUpdate = -1;
  }

  private writeField(field: HeaderField): void {
    if (field.staticIndex !== 0) this.out[this.at++] = INDEXED_FIELD | field.staticIndex;
    else if (field.indexing === INDEXED) this.writeIndexed(field);
    else {
      const first = field.indexing === NEVER_INDEXED ? LITERAL_NEVER_INDEXED : LITERAL_NOT_INDEXED;
      this.writeName(first, 0x0f, field.name);
      this.writePlain(field.value);
    }
  }

  private writeIndexed(field: HeaderField): void {
    const position = this.positionOf(field);
    if (position !== -1) {
      this.writeInteger(INDEXED_FIELD, 0x7f, STATIC_COUNT + 1 + position);
      return;
    }
    const index = staticIndexOf(field.name, field.value);
    if (index !== 0) {
      this.out[this.at++] = INDEXED_FIELD | index;
      return;
    }
    const fits = field.size <= this.table.capacity;
    if (fits) this.writeName(LITERAL_INDEXED, 0x3f, field.name);
    else this.writeName(LITERAL_NOT_INDEXED, 0x0f, field.name);
    this.writeText(field.value);
    if (fits) this.remember(field, this.table.insert(field));
  }

  /** @returns where it is in the table, from the newest; -1: it is not there */
  private positionOf(field: HeaderField): number {
    if (field.table === this.table) {
      const position = this.table.positionOf(field.sequence);
      if (position !== -1) return position;
    }
    const sequence = this.names.get(field.name)?.values.get(field.value);
    if (sequence === undefined) return -1;
    field.table = this.table;
    field.sequence = sequence;
    return this.table.positionOf(sequence);
  }

  private remember(field: HeaderField, sequence: number): void {
    field.table = this.table;
    field.sequence = sequence;
    const entries = this.names.get(field.name);
    if (entries === undefined) {
      this.names.set(field.name, { newest: sequence, values: new Map([[field.value, sequence]]) });
      return;
    }
    entries.newest = sequence;
    entries.values.set(field.value, sequence);
  }

  private forget({ name, value }: HeaderField, sequence: number): void {
    const entries = this.names.get(name) as NameEntries;
    if (entries.values.get(value) === sequence) entries.values.delete(value);
    if (entries.values.size === 0) this.names.delete(name);
  }

  private writeName(first: number, mask: number, name: string): void {
    let index = STATIC_NAMES.get(name) ?? 0;
    if (index === 0) {
      const entries = this.names.get(name);
      if (entries !== undefined) index = STATIC_COUNT + 1 + this.table.positionOf(entries.newest);
    }
    this.writeInteger(first, mask, index);
    if (index === 0) this.writeText(name);
  }

  /** RFC 7541 section 5.1. @param mask the bits of the first byte that belong to it */
  private writeInteger(first: number, mask: number, value: number): void {
    if (value < mask) {
      this.out[this.at++] = first | value;
      return;
    }
    this.out[this.at++] = first | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest >>>= 7) this.out[this.at++] = (rest & 0x7f) | 0x80;
    this.out[this.at++] = rest;
  }

  /** Huffman-coded, where that is no longer. */
  private writeText(text: string): void {
    const length = huffmanLength(text);
    if (length > text.length) {
      this.writePlain(text);
      return;
    }
    this.writeInteger(HUFFMAN, 0x7f, length);
    this.at = encodeHuffman(text, this.out, this.at);
  }

  private writePlain(text: string): void {
    const { length } = text;
    this.writeInteger(0, 0x7f, length);
    if (length > SHORT_TEXT) {
      this.at += this.out.write(text, this.at, length, 'latin1');
      return;
    }
    for (let i = 0; i < length; i++) this.out[this.at++] = text.charCodeAt(i);
  }
}
