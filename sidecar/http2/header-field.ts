/** How a field may be written to a peer (RFC 7541 section 6.2). A proxy keeps it from hop to hop. */
export const INDEXED = 0;
/** It changes from message to message: a place in the table would be wasted on it. */
export const NOT_INDEXED = 1;
/** It is a secret: no hop may put it in a table, where its value could be guessed bit by bit (section 7.1.3). */
export const NEVER_INDEXED = 2;

export type Indexing = typeof INDEXED | typeof NOT_INDEXED | typeof NEVER_INDEXED;

/** What RFC 7541 section 4.1 adds to the bytes of name and value. */
const FIELD_OVERHEAD_BYTES = 32;

/**
 * One field of a header list. Name and value are latin-1: one character, one byte. An object that came from a table
 * is shared by all messages that refer to its entry, so what is found out about it once holds for all of them.
 */
export class HeaderField {
  /** Bytes that it takes in a table and counts in a list (RFC 7541 section 4.1, RFC 9113 section 6.5.2). */
  readonly size: number;
  /** What the rules of HTTP say about it; 0: they have not been asked yet (`header-rules.ts`). */
  verdict = 0;
  /** The table that it was last written with, and where it is there: saves the encoder a search. */
  table: object | undefined = undefined;
  sequence = 0;

  constructor(
    readonly name: string,
    readonly value: string,
    readonly indexing: Indexing = INDEXED,
    /** Its index in the static table, if it stands there with this value; else 0. */
    readonly staticIndex = 0,
  ) {
    this.size = name.length + value.length + FIELD_OVERHEAD_BYTES;
  }
}
