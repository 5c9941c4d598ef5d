import { statSync } from 'node:fs';

/** A file written this recently may be written again without a difference in its time stamp. */
const SETTLE_MS = 100;

/**
 * Changes whenever a file is written or replaced. While it is fresh, it changes with every look, so that a caller that
 * compares reads it once more.
 *
 * @throws what the file system says
 */
export function fileSignature(file: string): string {
  const { mtimeMs } = statSync(file);
  const settling = Math.abs(Date.now() - mtimeMs) < SETTLE_MS ? ` read at ${performance.now()}` : '';
  return `${fileState(file)}${settling}`;
}

/** The same, but a fresh file does not change with every look. @throws what the file system says */
export function fileState(file: string): string {
  const { mtimeMs, size, ino } = statSync(file);
  return `${file} ${mtimeMs} ${size} ${ino}`;
}
