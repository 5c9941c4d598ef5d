import type { LoadResult, WorkerTask } from './load.js';
import { LoadConnection } from './load-connection.js';

/** Every connection sends its next request when it has an answer: as much as the target takes. */
export class ClosedLoop {
  private requests = 0;
  private errors = 0;
  private bytes = 0;
  private next: number;
  private stopped = false;

  constructor(
    private readonly task: WorkerTask,
    private readonly pool: readonly Buffer[],
  ) {
    this.next = task.seed * 1237;
  }

  async run(): Promise<LoadResult> {
    const { task } = this;
    const owner = { onAnswer: this.onAnswer.bind(this) };
    const connections = Array.from({ length: task.connections }, () => new LoadConnection(task, owner));
    const startedAt = performance.now();
    for (const connection of connections) this.send(connection);
    await new Promise((resolve) => setTimeout(resolve, task.seconds * 1000));
    this.stopped = true;
    const seconds = (performance.now() - startedAt) / 1000;
    for (const connection of connections) connection.close();
    return { requests: this.requests, seconds, bytes: this.bytes, errors: this.errors };
  }

  private send(connection: LoadConnection): void {
    connection.send(this.pool[this.next++ % this.pool.length] as Buffer);
  }

  private onAnswer(connection: LoadConnection, right: boolean, bytes: number): void {
    if (this.stopped) return;
    this.bytes += bytes;
    if (right) {
      this.requests++;
      this.send(connection);
      return;
    }
    this.errors++;
    // A target that refuses would otherwise be asked without a pause.
    setTimeout(() => this.stopped || this.send(connection), 10);
  }
}
