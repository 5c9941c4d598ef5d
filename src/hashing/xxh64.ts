import { readFileSync } from 'node:fs';

/** What the module in `xxhash-wasm` offers, as far as it is used. */
interface Kernel {
  readonly mem: WebAssembly.Memory;
  /** Hash of `length` bytes of {@link mem}, as a signed integer. */
  xxh64(from: number, length: number, seed: bigint): bigint;
}

/**
 * The package's WebAssembly, called directly: its JavaScript costs two to eight times as much as the hash itself,
 * which a ring of a thousand endpoints asks for a quarter of a million times (`npm run bench -- micro`).
 */
const kernel = loadKernel();
let memory = Buffer.from(kernel.mem.buffer);

function loadKernel(): Kernel {
  const file = new URL('../workerd/xxhash.wasm', import.meta.resolve('xxhash-wasm'));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)));
  return exports as unknown as Kernel;
}

/**
 * XXH64 of a byte string held as a latin-1 JavaScript string (one character, one byte), which is how
 * header values travel through the sidecar.
 *
 * @param seed defaults to 0, the seed Envoy uses throughout its hash policies.
 * @returns an unsigned 64-bit integer.
 */
export function xxh64(bytes: string, seed = 0n): bigint {
  makeRoomFor(bytes.length);
  return BigInt.asUintN(64, kernel.xxh64(0, memory.write(bytes, 0, 'latin1'), seed));
}

/** More than the hashes of a table can be counted with. */
const MOST_DIGITS = 10;
const ZERO = 0x30;
const NINE = 0x39;

/** Hashes of `prefix0`, `prefix1` … in ASCII, `count` of them, into `hashes` from `at` on. */
export function xxh64Numbered(prefix: string, count: number, hashes: BigUint64Array, at: number): void {
  makeRoomFor(prefix.length + MOST_DIGITS);
  const text = memory;
  const start = text.write(prefix, 0, 'latin1');
  let end = start + 1;
  text[start] = ZERO;
  for (let number = 0; number < count; number++) {
    hashes[at + number] = kernel.xxh64(0, end, 0n);
    end = addOne(text, start, end);
  }
}

/** Counts up the decimal number between `start` and `end`. @returns its new end */
function addOne(text: Buffer, start: number, end: number): number {
  for (let digit = end - 1; digit >= start; digit--) {
    if (text[digit] !== NINE) {
      text[digit] = (text[digit] as number) + 1;
      return end;
    }
    text[digit] = ZERO;
  }
  text[start] = ZERO + 1;
  text[end] = ZERO;
  return end + 1;
}

const PAGE_BYTES = 65_536;

/** The memory keeps the size of the longest text so far; heads are bounded (`--max-head-bytes`). */
function makeRoomFor(bytes: number): void {
  if (bytes <= memory.length) return;
  kernel.mem.grow(Math.ceil((bytes - memory.length) / PAGE_BYTES));
  memory = Buffer.from(kernel.mem.buffer);
}

/** Hash of several values as one: chained, the hash of one being the seed of the next. */
export function xxh64Chain(values: readonly string[], seed = 0n): bigint {
  let hash = seed;
  for (const value of values) hash = xxh64(value, hash);
  return hash;
}

/**
 * Hash of a header that may occur several times, as Envoy's header hash policy computes it: the values
 * sorted, then chained, so that their order on the wire does not matter.
 */
export function xxh64OfHeader(values: readonly string[], seed = 0n): bigint {
  return values.length === 1 ? xxh64(values[0] as string, seed) : xxh64Chain([...values].sort(), seed);
}

/**
 * Folds one hash policy's value into the hash of the policies before it (Envoy `hash_policy.cc`: rotate
 * left by one, then exclusive or).
 */
export function combineHashes(previous: bigint, next: bigint): bigint {
  const rotated = BigInt.asUintN(64, previous << 1n) | (previous >> 63n);
  return rotated ^ next;
}
