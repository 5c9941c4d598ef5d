import { execFile } from 'node:child_process';
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SIZE = '700m';
const PIECE = Buffer.alloc(1024 * 1024);

/** A file system that can be full, in a mount namespace of one's own. */
export class SmallDisk {
  private constructor(readonly folder: string) {}

  static async mount(folder: string): Promise<SmallDisk> {
    await mkdir(folder, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'none', folder]);
    return new SmallDisk(folder);
  }

  /** To the last byte. */
  async fill(): Promise<void> {
    for (let piece = PIECE; piece.length > 0; ) {
      try {
        await appendFile(this.ballast, piece);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        piece = piece.subarray(0, Math.floor(piece.length / 2));
      }
    }
  }

  async free(): Promise<void> {
    await rm(this.ballast, { force: true });
  }

  async unmount(): Promise<void> {
    await run('umount', ['-l', this.folder]);
  }

  private get ballast(): string {
    return join(this.folder, 'ballast');
  }
}
