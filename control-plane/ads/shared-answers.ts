import type { OwedAssignments } from './owed-assignments.js';
import type { ResponseMessage } from './responses.js';

/** What one client is answered, and every other that asks the same. */
export interface Answer {
  readonly messages: readonly ResponseMessage[];
  /** About how large the messages are together. */
  readonly bytes: number;
  /** What the client is owed once it has been sent them. */
  readonly owed: OwedAssignments;
}

const MAX_ANSWERS = 1000;
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Answers that were made for one client and are the same for others: in a large fleet nearly all. The key says all
 * that an answer depends on. Of more than is kept, what was used longest ago is forgotten, and made again if need be.
 */
export class SharedAnswers {
  /** The order is that of use. */
  private readonly answers = new Map<string, Answer>();
  private bytes = 0;

  get(key: string, make: () => Answer): Answer {
    const known = this.answers.get(key);
    const answer = known ?? make();
    if (known === undefined) this.bytes += answer.bytes;
    else this.answers.delete(key);
    this.answers.set(key, answer);
    this.shrink();
    return answer;
  }

  private shrink(): void {
    for (const [key, { bytes }] of this.answers) {
      if (this.answers.size <= MAX_ANSWERS && this.bytes <= MAX_BYTES) return;
      this.answers.delete(key);
      this.bytes -= bytes;
    }
  }
}
