import { READ_BUFFER_BYTES } from './read-buffer.js';

/** Kept for the next write, 512 KiB; what comes back beyond that is left to the garbage collector. */
const KEPT = 8;

const free: ArrayBufferLike[] = [];

/**
 * A piece of what was read, for a write that the kernel may not take at once. The memory is used again: to allocate it
 * for each piece of a large body, and to collect it, costs more than to copy it.
 */
export function copyOf(piece: Buffer, start: number, end: number): Buffer {
  const length = end - start;
  // A write that waits holds twice its size at most.
  if (length > READ_BUFFER_BYTES || length < READ_BUFFER_BYTES / 2)
    return Buffer.from(piece.subarray(start, end));
  const memory = free.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES).buffer;
  const copy = Buffer.from(memory, 0, length);
  piece.copy(copy, 0, start, end);
  return copy;
}

/** Its bytes have been written, or will not be. */
export function giveBack(copy: Buffer): void {
  if (free.length < KEPT && copy.buffer.byteLength === READ_BUFFER_BYTES) free.push(copy.buffer);
}
