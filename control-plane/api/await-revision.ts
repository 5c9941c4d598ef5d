import type { ServerWritableStream } from '@grpc/grpc-js';
import type { AwaitProgress } from '../../src/api/config-service.js';
import { visibilityOf } from '../access/caller.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { AdsStream } from '../ads/ads-stream.js';
import type { ConfigStore } from '../store/config-store.js';
import { RevisionWait } from './revision-wait.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 600_000;
/** Progress is told at most this often. */
const REPORT_INTERVAL_MS = 100;

export type AwaitCall = ServerWritableStream<
  { readonly revision: number; readonly timeoutMs: number },
  AwaitProgress
>;

/** Everyone who waits for clients to answer a revision, those of other control planes over the same store included. */
export class RevisionFollowers {
  private readonly finishers = new Set<() => void>();

  constructor(
    private readonly ads: AdsServer,
    private readonly store: ConfigStore,
  ) {}

  /**
   * Reports how many clients have answered until all have, the time is up or the caller has left. A client that was
   * late when the wait began is counted and named, but does not hold up the wait.
   */
  serve(call: AwaitCall): void {
    const { revision, timeoutMs } = call.request;
    const wait = new RevisionWait(this.ads, this.store, revision, visibilityOf(call));
    let pending: NodeJS.Timeout | undefined;
    let checking: NodeJS.Immediate | undefined;
    const report = () => {
      pending = undefined;
      call.write(wait.progress);
    };
    const stop = () => {
      clearTimeout(last);
      clearTimeout(pending);
      clearImmediate(checking);
      for (const stopListening of listening) stopListening();
      this.finishers.delete(finish);
    };
    const finish = () => {
      stop();
      call.write(wait.progress);
      call.end();
    };
    const last = setTimeout(finish, Math.min(timeoutMs || DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS));
    const check = () => {
      checking = undefined;
      if (wait.isDone) finish();
      else pending ??= setTimeout(report, REPORT_INTERVAL_MS);
    };
    // One look serves every answer that has come in meanwhile.
    const onNews = () => {
      checking ??= setImmediate(check);
    };
    const onProgress = (stream: AdsStream) => {
      wait.look(stream);
      onNews();
    };
    const onRound = () => {
      wait.lookAtAll();
      onNews();
    };
    const listening = [
      this.ads.onProgress(onProgress),
      this.ads.onRound(onRound),
      this.store.presence.onChange(onNews),
    ];
    this.store.on('change', onNews);
    listening.push(() => this.store.off('change', onNews));
    this.finishers.add(finish);
    call.on('cancelled', stop);
    if (wait.isDone) finish();
    else report();
  }

  closeAll(): void {
    for (const finish of this.finishers) finish();
  }
}
