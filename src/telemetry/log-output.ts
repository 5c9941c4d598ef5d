/** Where lines go in the end. Calls back once it has taken them. */
export type LineWriter = (text: string, taken: (error?: Error | null) => void) => void;

/** Lines are collected up to this, or for {@link COLLECT_MS}, and written in one go. */
const COLLECT_CHARS = 16_384;
const COLLECT_MS = 100;
/** Lines waiting for a slow reader, in characters; beyond it they are dropped and counted. */
const MAX_WAITING = 1024 * 1024;
/** What an urgent line may use on top. */
const URGENT_RESERVE = 64 * 1024;

/**
 * Standard output for lines of log: never waits for whoever reads it, holds a bounded amount for a slow reader, and
 * drops, and counts, what is beyond. The one writer of a process, so that lines stay whole.
 *
 * pino's own asynchronous destination is not used: it writes in a worker thread, which a pipe that nobody reads
 * blocks, and then the process cannot end.
 */
export class LogOutput {
  /** Lines dropped. */
  dropped = 0;
  /** Whole lines: those collected, and those being written. */
  private collected = '';
  private writing = '';
  private timer: NodeJS.Timeout | undefined;
  private onIdle: (() => void) | undefined;

  constructor(private readonly writer: LineWriter) {}

  /** For lines by the thousand: collected, and the first to be dropped. */
  readonly bulk = { write: (line: string) => this.add(line, MAX_WAITING) };

  /** For the process's own log: written at once. */
  readonly urgent = {
    write: (line: string) => {
      this.add(line, MAX_WAITING + URGENT_RESERVE);
      this.flush();
    },
  };

  /** Waits until everything is taken, for a bounded time. @returns whether it was */
  async drain(timeoutMs: number): Promise<boolean> {
    this.flush();
    if (this.writing === '') return true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return this.writing === '';
  }

  /** What has not been handed on: for a process that ends at once, and can only try. */
  takeRest(): string {
    const rest = this.collected;
    this.collected = '';
    return rest;
  }

  private add(line: string, bound: number): void {
    if (this.collected.length + this.writing.length + line.length > bound) {
      this.dropped++;
      return;
    }
    this.collected += line;
    if (this.collected.length >= COLLECT_CHARS) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), COLLECT_MS);
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writing !== '' || this.collected === '') return;
    this.writing = this.collected;
    this.collected = '';
    this.writer(this.writing, (error) => this.onTaken(error));
  }

  private onTaken(error: Error | null | undefined): void {
    this.writing = '';
    // The reader is gone: there is nobody to keep anything for.
    if (error) this.collected = '';
    this.flush();
    if (this.writing === '') this.onIdle?.();
  }
}
