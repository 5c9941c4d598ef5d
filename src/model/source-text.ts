/** What is wrong with the bytes of a file, at their place; lines and columns count from 1. */
export interface TextProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** Byte-order marks and what they stand for; the longer ones first. */
const MARKS: readonly (readonly [mark: readonly number[], encoding: string])[] = [
  [[0xff, 0xfe, 0x00, 0x00], 'UTF-32'],
  [[0x00, 0x00, 0xfe, 0xff], 'UTF-32'],
  [[0xff, 0xfe], 'UTF-16'],
  [[0xfe, 0xff], 'UTF-16'],
];

const BYTE_ORDER_MARK = 0xfeff;
const SAVE_AS = 'save the file as UTF-8, without a byte-order mark';

/**
 * A file's bytes as text: UTF-8 and nothing else. Another encoding is refused: read as UTF-8 it would be in force with
 * other characters than its author sees.
 */
export function decodeText(bytes: Uint8Array): { readonly text: string } | { readonly problem: TextProblem } {
  const encoding = otherEncoding(bytes);
  if (encoding !== undefined)
    return { problem: { line: 1, column: 1, message: `is ${encoding}; ${SAVE_AS}` } };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { problem: notUtf8(bytes) };
  }
}

/** UTF-16 and UTF-32 say so, or have zeros among their first bytes, which are ASCII in every YAML file. */
function otherEncoding(bytes: Uint8Array): string | undefined {
  const marked = MARKS.find(([mark]) => mark.every((byte, i) => bytes[i] === byte));
  if (marked) return marked[1];
  const [first, second] = bytes;
  return first !== undefined && second !== undefined && (first === 0) !== (second === 0)
    ? 'UTF-16'
    : undefined;
}

/** Names the first byte that is not UTF-8. */
function notUtf8(bytes: Uint8Array): TextProblem {
  const text = new TextDecoder('utf-8').decode(bytes);
  const before = text.slice(0, firstReplaced(text, bytes));
  const at = Buffer.byteLength(before);
  const byte = (bytes[at] ?? 0).toString(16).toUpperCase().padStart(2, '0');
  return { ...placeAfter(before), message: `is not UTF-8 (the byte 0x${byte}), perhaps Latin-1; ${SAVE_AS}` };
}

/** A replacement character that stands for itself is three bytes, and no fault. */
function firstReplaced(text: string, bytes: Uint8Array): number {
  const own = Buffer.from('\ufffd');
  let offset = 0;
  let from = 0;
  for (;;) {
    const found = text.indexOf('\ufffd', from);
    if (found === -1) return text.length;
    offset += Buffer.byteLength(text.slice(from, found));
    if (!own.equals(bytes.subarray(offset, offset + own.length))) return found;
    offset += own.length;
    from = found + 1;
  }
}

/** What YAML has no place for (YAML 1.2.2 section 5.1), and a byte-order mark that begins a line. */
const MISPLACED = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]|(?<=\n)\ufeff/;

/** The first character that has no place in a YAML text. @param text without the mark at its beginning */
export function misplacedCharacter(text: string): TextProblem | undefined {
  const found = MISPLACED.exec(text);
  if (found === null) return undefined;
  const code = text.charCodeAt(found.index);
  const message =
    code === BYTE_ORDER_MARK
      ? `has a byte-order mark in the middle, as files have that were joined; ${SAVE_AS}`
      : `has a control character (U+${code.toString(16).toUpperCase().padStart(4, '0')}); take it out`;
  return { ...placeAfter(text.slice(0, found.index)), message };
}

function placeAfter(before: string): { readonly line: number; readonly column: number } {
  const lines = before.split('\n');
  return { line: lines.length, column: (lines.at(-1) as string).length + 1 };
}

/** Far more than any manifest has, and far from where a parser that calls itself runs out of stack. */
const MAX_NESTING = 1000;
const NESTED_INDICATORS = new RegExp(`(?:[-?][ \\t]+){${MAX_NESTING}}`);

/**
 * Whether brackets or list items are nested so deeply that parsing would exhaust the stack, which may end the process.
 * Brackets in quotes count too: a text that leaves a thousand of them open is not one that people write.
 */
export function isNestedTooDeeply(text: string): boolean {
  let depth = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    if (bracket === '[' || bracket === '{') depth++;
    else if (depth > 0) depth--;
    if (depth > MAX_NESTING) return true;
  }
  return NESTED_INDICATORS.test(text);
}
