/** When things are done. */
export interface PushTiming {
  /** Milliseconds, from anywhere. */
  nowMs(): number;
  /** After other work has had its turn. */
  soon(work: () => void): void;
  after(ms: number, work: () => void): void;
}

export interface PushQueueOptions<Client> {
  /** A round begins: the clients that it has to visit. */
  clients(): Iterable<Client>;
  /** Tells one client all that it has missed. */
  push(client: Client): void;
  /** All of them have been told. @param tookMs from the first change that this was about */
  onRound(tookMs: number): void;
  readonly timing?: PushTiming;
}

/** Clients pushed to before other work gets its turn. */
const CHUNK = 32;

const REAL_TIME: PushTiming = {
  nowMs: () => performance.now(),
  soon: (work) => void setImmediate(work),
  after: (ms, work) => void setTimeout(work, ms).unref(),
};

/**
 * Pushes changes to the clients that they concern, in rounds:
 *
 * ```
 *   idle ──change──► pushing, a chunk at a time ──► resting, as long as the round took ──► idle
 *                        │ change: due                    │ change: due
 *                        └────────────────────────────────┴──► another round after the rest
 * ```
 * A round that has no client to visit takes no time and needs no rest.
 *
 * A change that comes when nothing was going on goes out at once. Those that come faster than rounds are made merge:
 * a client is in a round once, and is then told all that it has missed. For the rests, pushing leaves half of the
 * time to everything else, acknowledgements among it, however fast the configuration changes and however many
 * clients there are.
 */
export class PushQueue<Client> {
  /** Who still has to be told in this round, in the order in which they connected. At most every client, once. */
  private readonly waiting = new Set<Client>();
  private readonly timing: PushTiming;
  private state: 'idle' | 'pushing' | 'resting' = 'idle';
  /** When the first change came that no round has begun for; undefined: there is none. */
  private dueSinceMs: number | undefined;
  private roundDueSinceMs = 0;
  private roundBeganMs = 0;

  constructor(private readonly options: PushQueueOptions<Client>) {
    this.timing = options.timing ?? REAL_TIME;
  }

  /** Something has changed. */
  pushChanges(): void {
    this.dueSinceMs ??= this.timing.nowMs();
    if (this.state === 'idle') this.begin(this.dueSinceMs);
  }

  /** The client has left. */
  forget(client: Client): void {
    this.waiting.delete(client);
  }

  private begin(dueSinceMs: number): void {
    this.dueSinceMs = undefined;
    for (const client of this.options.clients()) this.waiting.add(client);
    if (this.waiting.size === 0) return;
    this.state = 'pushing';
    this.roundDueSinceMs = dueSinceMs;
    this.roundBeganMs = this.timing.nowMs();
    this.pushChunk();
  }

  private pushChunk(): void {
    let left = CHUNK;
    for (const client of this.waiting) {
      if (left-- === 0) {
        this.timing.soon(() => this.pushChunk());
        return;
      }
      this.waiting.delete(client);
      this.options.push(client);
    }
    const nowMs = this.timing.nowMs();
    this.options.onRound(nowMs - this.roundDueSinceMs);
    this.state = 'resting';
    this.timing.after(nowMs - this.roundBeganMs, () => this.onRested());
  }

  private onRested(): void {
    this.state = 'idle';
    if (this.dueSinceMs !== undefined) this.begin(this.dueSinceMs);
  }
}
