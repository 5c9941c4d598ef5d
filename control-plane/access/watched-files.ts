import { fileSignature } from '../../src/lifecycle/file-signature.js';

const POLL_INTERVAL_MS = 500;

/**
 * Calls back when files that belong together have changed. Looking (instead of being told) works on every file
 * system, mounted secrets with their symbolic links included. A change counts once it has been the same for two
 * looks: half a file, or a certificate without its new key, is not read.
 */
export class WatchedFiles {
  private inForce: string;
  private seen: string;
  private timer: NodeJS.Timeout | undefined;

  /** The files as they are now count as read. */
  constructor(
    private readonly files: readonly string[],
    private readonly onChange: () => void,
  ) {
    this.inForce = this.look();
    this.seen = this.inForce;
  }

  start(): void {
    this.timer = setInterval(() => this.poll(), POLL_INTERVAL_MS).unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private poll(): void {
    const now = this.look();
    const settled = now === this.seen;
    this.seen = now;
    if (!settled || now === this.inForce) return;
    this.inForce = now;
    this.onChange();
  }

  private look(): string {
    try {
      return this.files.map(fileSignature).join('\n');
    } catch (error) {
      // The next read reports what is wrong.
      return `unreadable: ${(error as Error).message}`;
    }
  }
}
