import type { HeaderField } from './header-field.js';

/** The smallest entry has an empty name and an empty value (RFC 7541 section 4.1). */
const SMALLEST_ENTRY_BYTES = 32;

/**
 * The dynamic table of one direction (RFC 7541 section 2.3.2): first in, first out, bounded in bytes. Each entry has a
 * sequence number that stays the same while it is there; its index is counted from the newest.
 */
export class DynamicTable {
  private ring: (HeaderField | undefined)[];
  private mask: number;
  private inserted = 0;
  private held = 0;
  private bytes = 0;
  private limit: number;

  /** @param maxBytes the most that {@link resize} may ask for */
  constructor(
    readonly maxBytes: number,
    private readonly onEvicted?: (field: HeaderField, sequence: number) => void,
  ) {
    this.limit = maxBytes;
    const most = 2 ** Math.ceil(Math.log2(Math.max(1, maxBytes / SMALLEST_ENTRY_BYTES)));
    this.ring = new Array<HeaderField | undefined>(most).fill(undefined);
    this.mask = most - 1;
  }

  get count(): number {
    return this.held;
  }

  /** Bytes of its entries. */
  get size(): number {
    return this.bytes;
  }

  /** Bytes that its entries may have now. */
  get capacity(): number {
    return this.limit;
  }

  /** @param position 0 is the newest entry. @returns undefined where there is none */
  at(position: number): HeaderField | undefined {
    return position < this.held ? this.ring[(this.inserted - 1 - position) & this.mask] : undefined;
  }

  /** @returns where the entry with this sequence number is, from the newest; -1: it is not there any more */
  positionOf(sequence: number): number {
    const position = this.inserted - 1 - sequence;
    return position < this.held ? position : -1;
  }

  /** Inserts an entry; one that is larger than the table only empties it (section 4.4). @returns its sequence number; -1 */
  insert(field: HeaderField): number {
    this.evictFor(field.size);
    if (field.size > this.limit) return -1;
    this.ring[this.inserted & this.mask] = field;
    this.held++;
    this.bytes += field.size;
    return this.inserted++;
  }

  /** Changes how many bytes it may have (section 4.3). */
  resize(bytes: number): void {
    this.limit = bytes;
    this.evictFor(0);
  }

  private evictFor(more: number): void {
    while (this.held > 0 && this.bytes + more > this.limit) {
      const sequence = this.inserted - this.held;
      const field = this.ring[sequence & this.mask] as HeaderField;
      this.ring[sequence & this.mask] = undefined;
      this.held--;
      this.bytes -= field.size;
      this.onEvicted?.(field, sequence);
    }
  }
}
