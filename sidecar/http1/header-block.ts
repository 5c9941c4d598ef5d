import { HASH_SEED, type HeaderName, hashStep, headerName } from '../../src/http/header-name.js';
import { ProtocolError } from '../http/protocol-error.js';
import { COLON, CR, FIELD_VALUE, LF, SPACE, TAB, TOKEN_LOWER } from './characters.js';

/** Headers that the proxy itself reads or removes; the rest it only carries. */
export const KNOWN_HEADERS = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'expect',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
  'x-request-timeout',
  'x-roost-error',
  'x-roost-app-refuses',
  'x-roost-via',
  'baggage',
  'set-cookie',
] as const;

export type KnownHeader = (typeof KNOWN_HEADERS)[number];

/** Position in {@link KNOWN_HEADERS}, for comparing fields with. */
export const ID = Object.fromEntries(KNOWN_HEADERS.map((name, id) => [name, id])) as Readonly<
  Record<KnownHeader, number>
>;
const UNKNOWN = -1;

const KNOWN_NAMES: readonly HeaderName[] = KNOWN_HEADERS.map(headerName);
/** Known headers by the low bits of their hash; a slot is confirmed by the whole hash and then by the text. */
const SLOT_BITS = 10;
const SLOT_MASK = (1 << SLOT_BITS) - 1;
const SLOTS = new Int8Array(1 << SLOT_BITS).fill(UNKNOWN);
KNOWN_NAMES.forEach(({ lower, hash }, id) => {
  if (SLOTS[hash & SLOT_MASK] !== UNKNOWN)
    throw new Error(`"${lower}" shares its slot with another header; raise SLOT_BITS`);
  SLOTS[hash & SLOT_MASK] = id;
});

const NO_COUNTS: readonly number[] = KNOWN_HEADERS.map(() => 0);

/** Where a field is in the text: five numbers each. */
const LINE_START = 0;
const NAME_END = 1;
const VALUE_START = 2;
const VALUE_END = 3;
const HASH = 4;
const STRIDE = 5;

/**
 * The fields of one head (RFC 9112 section 5), as positions in its text. Reused from message to message: a parse
 * allocates nothing but the strings that are asked for.
 *
 * ```
 *   Host: checkout\r\nX-User-Id:  7 \r\n
 *   │   │ │       │
 *   │   │ │       VALUE_END
 *   │   │ VALUE_START
 *   │   NAME_END
 *   LINE_START                          the next field's LINE_START ends this one
 * ```
 */
export class HeaderBlock {
  count = 0;
  /** The head's text in latin-1: one character, one byte. */
  private text = '';
  private endOfFields = 0;
  /** Plain arrays, which grow to what a head needs: a typed array for each new connection costs more than its parse. */
  private readonly positions: number[] = [];
  private readonly ids: number[] = [];
  /** Number of fields of each known header. */
  private readonly counts: number[] = NO_COUNTS.slice();
  private readonly firsts: number[] = NO_COUNTS.slice();

  constructor(private readonly maxFields: number) {}

  /**
   * Parses fields. `end` is where the empty line starts: just behind the last field's CRLF.
   *
   * @param bytes the text's bytes, as they came: reading them costs a third of reading characters
   * @param offset where the text starts in them
   * @throws ProtocolError
   */
  parse(
    text: string,
    start: number,
    end: number,
    bytes: Buffer = Buffer.from(text, 'latin1'),
    offset = 0,
  ): void {
    this.text = text;
    this.count = 0;
    this.counts.fill(0);
    this.endOfFields = end;
    let at = start;
    while (at < end) at = this.parseField(bytes, offset, at, end);
  }

  /** Lets go of the text. */
  forget(): void {
    this.text = '';
    this.count = 0;
    this.counts.fill(0);
  }

  private parseField(bytes: Uint8Array, offset: number, start: number, end: number): number {
    if (this.count === this.maxFields)
      throw new ProtocolError(`more than ${this.maxFields} header fields`, 431);
    const from = offset + start;
    let at = from;
    let hash = HASH_SEED;
    // Also what refuses a fold (RFC 9112 section 5.2) and a space before the colon (5.1).
    for (;;) {
      const lower = TOKEN_LOWER[bytes[at] as number] as number;
      if (lower === 0) break;
      hash = hashStep(hash, lower);
      at++;
    }
    if (bytes[at] !== COLON || at >= offset + end)
      throw new ProtocolError('a header field name has a character that no name may have');
    if (at === from) throw new ProtocolError('a header field has no name');
    const nameEnd = at++;
    while (isBlank(bytes[at])) at++;
    const valueStart = at;
    while (FIELD_VALUE[bytes[at] as number] === 1) at++;
    if (bytes[at] !== CR || bytes[at + 1] !== LF)
      throw new ProtocolError('a header field value has a character that no value may have');
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd--;
    this.add(start, nameEnd - offset, valueStart - offset, valueEnd - offset, hash);
    return at + 2 - offset;
  }

  private add(lineStart: number, nameEnd: number, valueStart: number, valueEnd: number, hash: number): void {
    const field = this.count++;
    const base = field * STRIDE;
    this.positions[base + LINE_START] = lineStart;
    this.positions[base + NAME_END] = nameEnd;
    this.positions[base + VALUE_START] = valueStart;
    this.positions[base + VALUE_END] = valueEnd;
    this.positions[base + HASH] = hash;
    const id = SLOTS[hash & SLOT_MASK] as number;
    const known = id !== UNKNOWN && this.isNamed(field, KNOWN_NAMES[id] as HeaderName) ? id : UNKNOWN;
    this.ids[field] = known;
    if (known === UNKNOWN) return;
    if (this.counts[known] === 0) this.firsts[known] = field;
    this.counts[known] = (this.counts[known] as number) + 1;
  }

  /** Number of fields of a known header. */
  countOf(id: number): number {
    return this.counts[id] as number;
  }

  /** Value of a known header; of several, joined with ", " (RFC 9110 section 5.3). */
  known(id: number): string | undefined {
    const count = this.counts[id] as number;
    if (count === 0) return undefined;
    const first = this.firsts[id] as number;
    if (count === 1) return this.valueAt(first);
    let value = this.valueAt(first);
    for (let i = first + 1; i < this.count; i++) if (this.ids[i] === id) value += `, ${this.valueAt(i)}`;
    return value;
  }

  /** Value of any header; of several, joined with {@link HeaderName.separator}. */
  get(name: HeaderName): string | undefined {
    if (this.lacks(name)) return undefined;
    let value: string | undefined;
    for (let i = 0; i < this.count; i++) {
      if (this.isNamed(i, name))
        value = value === undefined ? this.valueAt(i) : value + name.separator + this.valueAt(i);
    }
    return value;
  }

  getAll(name: HeaderName): string[] {
    if (this.lacks(name)) return [];
    const values: string[] = [];
    for (let i = 0; i < this.count; i++) if (this.isNamed(i, name)) values.push(this.valueAt(i));
    return values;
  }

  /** A known header that is not there: the answer without a look at the fields. */
  private lacks({ hash, lower }: HeaderName): boolean {
    const id = SLOTS[hash & SLOT_MASK] as number;
    return id !== UNKNOWN && this.counts[id] === 0 && KNOWN_HEADERS[id] === lower;
  }

  idAt(field: number): number {
    return this.ids[field] as number;
  }

  isNamed(field: number, name: HeaderName): boolean {
    const base = field * STRIDE;
    if (this.positions[base + HASH] !== name.hash) return false;
    const start = this.positions[base + LINE_START] as number;
    if ((this.positions[base + NAME_END] as number) - start !== name.lower.length) return false;
    for (let i = 0; i < name.lower.length; i++) {
      if (TOKEN_LOWER[this.text.charCodeAt(start + i)] !== name.lower.charCodeAt(i)) return false;
    }
    return true;
  }

  /** As written. */
  nameAt(field: number): string {
    const base = field * STRIDE;
    return this.text.slice(this.positions[base + LINE_START], this.positions[base + NAME_END]);
  }

  valueAt(field: number): string {
    const base = field * STRIDE;
    return this.text.slice(this.positions[base + VALUE_START], this.positions[base + VALUE_END]);
  }

  /** One space behind the colon, and no white space behind the value. */
  isPlainlySpaced(field: number): boolean {
    const base = field * STRIDE;
    const valueStart = this.positions[base + VALUE_START] as number;
    return (
      valueStart - (this.positions[base + NAME_END] as number) === 2 &&
      this.text.charCodeAt(valueStart - 1) === SPACE &&
      this.lineStart(field + 1) - (this.positions[base + VALUE_END] as number) === 2
    );
  }

  /** The lines of fields `from` (inclusive) to `to` (exclusive), as they were written, line ends included. */
  lines(from: number, to: number): string {
    if (from >= to) return '';
    return this.text.slice(this.lineStart(from), this.lineStart(to));
  }

  private lineStart(field: number): number {
    return field < this.count ? (this.positions[field * STRIDE + LINE_START] as number) : this.endOfFields;
  }
}

function isBlank(code: number | undefined): boolean {
  return code === SPACE || code === TAB;
}
