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
 * Standard output for lines of log: never waits for its reader, holds a bounded amount for a slow reader, and
 * drops, and counts, what is beyond. The one writer of a process, so that lines stay whole.
 *
 * pino's own asynchronous destination is not used: it writes in a worker thread, which a pipe without a reader
 * blocks, and then the process cannot end.
 */
export class LogOutput {
  /** Lines dropped. */
  dropped = 0;
  /** Whole lines: those collected, and those being written. */
  private collected = '';
  private writing = '';
  /** How much of each was added here, and not {@link relay}ed. */
  private ownCollected = 0;
  private ownWriting = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Of those collected, what others have to be told when they are taken. */
  private relayed: (() => void)[] = [];
  private beingRelayed: (() => void)[] = [];
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

  /**
   * Passes on whole lines that another output has collected, which bounds them: it sends no more before it is told that
   * these are taken.
   */
  relay(lines: string, taken: () => void): void {
    this.collected += lines;
    this.relayed.push(taken);
    this.flush();
  }

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
    this.forgetCollected();
    return rest;
  }

  private add(line: string, bound: number): void {
    if (this.ownCollected + this.ownWriting + line.length > bound) {
      this.dropped++;
      return;
    }
    this.collected += line;
    this.ownCollected += line.length;
    if (this.collected.length >= COLLECT_CHARS) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), COLLECT_MS);
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writing !== '' || this.collected === '') return;
    this.writing = this.collected;
    this.ownWriting = this.ownCollected;
    this.beingRelayed = this.relayed;
    this.forgetCollected();
    this.writer(this.writing, (error) => this.onTaken(error));
  }

  private forgetCollected(): void {
    this.collected = '';
    this.ownCollected = 0;
    this.relayed = [];
  }

  private onTaken(error: Error | null | undefined): void {
    this.writing = '';
    this.ownWriting = 0;
    const taken = this.beingRelayed;
    this.beingRelayed = [];
    if (error) {
      // The reader is gone: there is no reason to keep anything.
      taken.push(...this.relayed);
      this.forgetCollected();
    }
    for (const tell of taken) tell();
    this.flush();
    if (this.writing === '') this.onIdle?.();
  }
}
