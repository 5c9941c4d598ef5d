import { HpackError } from './hpack-error.js';
import { CODE, CODE_LENGTH, END_OF_STRING } from './huffman-codes.js';

/**
 * Huffman coding of string literals (RFC 7541 section 5.2). Decoding takes half a byte at a time through a table of
 * states, one for each inner node of the code's tree:
 *
 * ```
 *   TRANSITIONS[state << 4 | half]   bits 0–7: the symbol   bit 8: there is one   bit 16–24: next state   bit 30: error
 * ```
 */
const EMITS = 1 << 8;
const STATE_SHIFT = 16;
const FAILS = 1 << 30;
const HALVES = 16;
/** Shortest code: one byte is at most 8/5 symbols. */
const SHORTEST_CODE_BITS = 5;

/** By node and bit: the next node, or -2 minus a symbol; -1: not made yet. */
const tree: [number, number][] = [[-1, -1]];
for (let symbol = 0; symbol <= END_OF_STRING; symbol++) plant(symbol);

const TRANSITIONS = new Int32Array(tree.length * HALVES);
for (let state = 0; state < tree.length; state++)
  for (let half = 0; half < HALVES; half++) TRANSITIONS[(state << 4) | half] = transition(state, half);

/** 1 for states in which a string may end: behind a symbol, and up to seven 1 bits of padding further. */
const MAY_END = new Uint8Array(tree.length);
for (let node = 0, bits = 0; bits < 8; bits++) {
  MAY_END[node] = 1;
  node = (tree[node] as [number, number])[1];
}

function plant(symbol: number): void {
  const [length, code] = [CODE_LENGTH[symbol] as number, CODE[symbol] as number];
  let node = 0;
  for (let left = length - 1; left > 0; left--) {
    const branches = tree[node] as [number, number];
    const bit = ((code >>> left) & 1) as 0 | 1;
    if (branches[bit] === -1) branches[bit] = tree.push([-1, -1]) - 1;
    node = branches[bit];
  }
  (tree[node] as [number, number])[(code & 1) as 0 | 1] = -2 - symbol;
}

function transition(state: number, half: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = (tree[node] as [number, number])[((half >> bit) & 1) as 0 | 1];
    if (next >= 0) {
      node = next;
      continue;
    }
    const symbol = -2 - next;
    if (symbol === END_OF_STRING) return FAILS;
    emitted = EMITS | symbol;
    node = 0;
  }
  return (node << STATE_SHIFT) | emitted;
}

/** What was decoded last. Grows to 8/5 of the longest header block that a connection accepts. */
let decoded = Buffer.allocUnsafeSlow(4096);

/** @returns the string in latin-1. @throws HpackError */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string {
  const room = Math.ceil(((end - start) * 8) / SHORTEST_CODE_BITS);
  if (room > decoded.length) decoded = Buffer.allocUnsafeSlow(room);
  const out = decoded;
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    let step = TRANSITIONS[(state << 4) | (byte >> 4)] as number;
    if ((step & EMITS) !== 0) out[length++] = step;
    if ((step & FAILS) !== 0) throw new HpackError('a Huffman code holds the end of string');
    state = step >> STATE_SHIFT;
    step = TRANSITIONS[(state << 4) | (byte & 15)] as number;
    if ((step & EMITS) !== 0) out[length++] = step;
    if ((step & FAILS) !== 0) throw new HpackError('a Huffman code holds the end of string');
    state = step >> STATE_SHIFT;
  }
  if (MAY_END[state] === 0) throw new HpackError('the padding of a Huffman code is not that of RFC 7541');
  return out.toString('latin1', 0, length);
}

/** Bytes that {@link encodeHuffman} writes. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += CODE_LENGTH[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >> 3;
}

/** @param text latin-1. @returns where the written code ends in `out` */
export function encodeHuffman(text: string, out: Uint8Array, start: number): number {
  let at = start;
  // Up to 7 bits wait here while up to 30 more come: all of them fit in 37 bits, so the code goes in by halves.
  let waiting = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let left = CODE_LENGTH[symbol] as number;
    const code = CODE[symbol] as number;
    while (left > 0) {
      const taken = Math.min(left, 16);
      left -= taken;
      waiting = (waiting << taken) | ((code >>> left) & ((1 << taken) - 1));
      bits += taken;
      while (bits >= 8) {
        bits -= 8;
        out[at++] = waiting >>> bits;
      }
      waiting &= (1 << bits) - 1;
    }
  }
  if (bits > 0) out[at++] = (waiting << (8 - bits)) | (0xff >> bits);
  return at;
}
