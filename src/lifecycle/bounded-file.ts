import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

/** What is asked for is no file that can be read whole. */
export class UnreadableFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnreadableFileError';
  }
}

export interface BoundedFileOptions {
  readonly maxBytes: number;
  /** Pipes and terminals are read as well, for a user who names one on purpose, such as `<(helm template)`. */
  readonly pipes?: boolean;
}

/** More than any certificate, bundle of authorities, key or token has. */
export const MAX_SECRET_BYTES = 16 * 1024 * 1024;

const CHUNK_BYTES = 65_536;

/**
 * Reads a file whole, once it is known to be one: a FIFO would wait for its writer for ever, a device would never end.
 *
 * @throws UnreadableFileError, or what the file system says
 */
export function readBoundedFile(path: string, options: BoundedFileOptions): Buffer {
  // Without O_NONBLOCK, opening a FIFO waits for its writer.
  const mode = options.pipes ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK;
  const descriptor = openSync(path, mode);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() && !(options.pipes && isReadable(stats)))
      throw new UnreadableFileError(`is ${kindOf(stats)}, not a file`);
    if (stats.size > options.maxBytes) throw tooLarge(options.maxBytes);
    return readAll(descriptor, options.maxBytes);
  } finally {
    closeSync(descriptor);
  }
}

function isReadable(stats: Stats): boolean {
  return stats.isFIFO() || stats.isCharacterDevice() || stats.isSocket();
}

function readAll(descriptor: number, maxBytes: number): Buffer {
  const chunks: Buffer[] = [];
  for (let total = 0; ; ) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const length = readSync(descriptor, chunk);
    if (length === 0) return Buffer.concat(chunks);
    total += length;
    // It can grow while it is read.
    if (total > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk.subarray(0, length));
  }
}

function tooLarge(maxBytes: number): UnreadableFileError {
  return new UnreadableFileError(`is larger than ${Math.floor(maxBytes / 1024 / 1024)} MiB`);
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe (FIFO)';
  return stats.isSocket() ? 'a socket' : 'a device';
}
