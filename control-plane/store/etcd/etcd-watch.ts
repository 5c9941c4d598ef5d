import type { ServiceError } from '@grpc/grpc-js';
import { BackOff } from '../../../src/lifecycle/back-off.js';
import type { Logger } from '../../../src/telemetry/logger.js';
import { EtcdCallError, type EtcdClient, type EtcdStream } from './etcd-client.js';
import { WATCH, type WatchResponse } from './etcd-messages.js';

const REOPEN_MS = { first: 100, max: 3000 } as const;

export interface EtcdWatchOptions {
  readonly client: EtcdClient;
  readonly key: Buffer;
  /** Up to here, this not included; absent: the one key. */
  readonly rangeEnd?: Buffer;
  /** Something may have changed: an event came, or events may have been missed. */
  onNews(): void;
  /** Called with why it is not watched at present, and with undefined once it is. */
  onProblem(problem: string | undefined): void;
  readonly log: Logger;
}

/**
 * Follows a key or a range of keys. A watch that breaks goes on at the next endpoint, from the revision after the
 * last that it saw. Where etcd has compacted that away, it goes on from now, and what was missed is news as well.
 */
export class EtcdWatch {
  private readonly backOff = new BackOff(REOPEN_MS.first, REOPEN_MS.max);
  private stream: EtcdStream | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  /** Revision of etcd to go on from; 0: from now. */
  private next = 0;

  constructor(private readonly options: EtcdWatchOptions) {}

  /** @param from revision of etcd up to which everything is known already; also to begin again from another one */
  start(from: number): void {
    this.next = from + 1;
    this.reopen();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.stream?.cancel();
  }

  private reopen(afterMs = 0): void {
    this.stream?.cancel();
    this.stream = undefined;
    clearTimeout(this.timer);
    if (this.closed) return;
    this.timer = setTimeout(() => {
      this.open().catch((error: unknown) => this.onBroken(error));
    }, afterMs);
  }

  private async open(): Promise<void> {
    const { client, key, rangeEnd } = this.options;
    const { stream, endpoint } = await client.open(WATCH);
    const failed = (error: ServiceError | undefined) => {
      if (this.stream !== stream) return;
      client.turnFrom(endpoint);
      this.onBroken(error && client.explain(error, endpoint));
    };
    stream.on('error', failed);
    stream.on('end', () => failed(undefined));
    if (this.closed) return stream.cancel();
    this.stream = stream;
    stream.on('data', (response: WatchResponse) => {
      if (this.stream === stream) this.take(response);
    });
    const range = rangeEnd === undefined ? {} : { rangeEnd };
    stream.write({ createRequest: { key, ...range, startRevision: this.next, progressNotify: true } });
  }

  private take({ header, created, canceled, compactRevision, cancelReason, events }: WatchResponse): void {
    if (compactRevision > 0) {
      this.options.log.info({ compactRevision }, 'etcd has compacted what came meanwhile; reading it again');
      this.next = 0;
      this.reopen();
    } else if (canceled) {
      this.onBroken(new EtcdCallError(cancelReason, false, false));
    } else if (created) {
      this.backOff.reset();
      this.options.onProblem(undefined);
      this.options.onNews();
    } else {
      this.next = header.revision + 1;
      if (events.length > 0) this.options.onNews();
    }
  }

  private onBroken(error: unknown): void {
    if (this.closed) return;
    const waitMs = this.backOff.next();
    const reason = error instanceof Error ? error.message : 'the stream has ended';
    if (error instanceof Error && !(error instanceof EtcdCallError))
      this.options.log.error({ err: error }, 'etcd cannot be watched');
    this.options.onProblem(reason);
    this.reopen(waitMs);
  }
}
