import { receiveMessageOnPort } from 'node:worker_threads';
import type { FoundCounts } from '../cluster/shared-counts.js';
import type { Change, JournalEnd, JournalEntry } from './journal.js';

/** Makes the main thread's changes in this thread, each as soon as it is in force and not before. */
export class JournalReader {
  private made = 0;
  /** Here, and not in force yet; the main thread does not wait, and is microseconds from putting them in force. */
  private readonly waiting: JournalEntry[] = [];

  /** @param make makes a change; what it throws is a difference between the threads, and the end of the process */
  constructor(
    private readonly end: JournalEnd,
    private readonly counts: FoundCounts,
    private readonly make: (change: Change, isReady: boolean) => void,
  ) {
    end.port.on('message', (entry: JournalEntry) => {
      this.waiting.push(entry);
      this.catchUp();
    });
  }

  /** Called before anything is decided, and now and then. */
  catchUp(): void {
    if (Atomics.load(this.end.inForce, 0) !== this.made) this.makeAll();
  }

  close(): void {
    this.end.port.close();
  }

  private makeAll(): void {
    while (Atomics.load(this.end.inForce, 0) !== this.made) {
      const { change, isReady, counts } = this.next();
      this.counts.add(counts);
      this.made = (this.made + 1) | 0;
      this.make(change, isReady);
    }
  }

  /** What is in force has been sent before it was, and is there. */
  private next(): JournalEntry {
    const entry =
      this.waiting.shift() ?? (receiveMessageOnPort(this.end.port)?.message as JournalEntry | undefined);
    if (entry === undefined) throw new Error('a change is in force that this worker was not sent');
    return entry;
  }
}
