import type { ServerWritableStream } from '@grpc/grpc-js';
import type { AwaitProgress, RejectionMessage } from '../../src/api/config-service.js';
import { PUSH_ORDER } from '../../src/xds/resource-types.js';
import { type Visibility, visibilityOf } from '../access/caller.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { AdsStream } from '../ads/ads-stream.js';
import type { ConfigStore } from '../store/config-store.js';

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

  /** Reports how many clients have answered until all have, the time is up or the caller has left. */
  serve(call: AwaitCall): void {
    const { revision, timeoutMs } = call.request;
    const visible = visibilityOf(call);
    const unsettled = new Unsettled(this.ads, revision);
    const progress = () => progressOf(this.ads, this.store, unsettled, visible);
    const isDone = () => unsettled.size === 0 && replicasAreDone(this.store, revision);
    let pending: NodeJS.Timeout | undefined;
    let checking: NodeJS.Immediate | undefined;
    const report = () => {
      pending = undefined;
      call.write(progress());
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
      call.write(progress());
      call.end();
    };
    const last = setTimeout(finish, Math.min(timeoutMs || DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS));
    const check = () => {
      checking = undefined;
      if (isDone()) finish();
      else pending ??= setTimeout(report, REPORT_INTERVAL_MS);
    };
    // One look serves every answer that has come in meanwhile.
    const onNews = () => {
      checking ??= setImmediate(check);
    };
    const onProgress = (stream: AdsStream) => {
      unsettled.look(stream);
      onNews();
    };
    const listening = [this.ads.onProgress(onProgress), this.store.presence.onChange(onNews)];
    this.store.on('change', onNews);
    listening.push(() => this.store.off('change', onNews));
    this.finishers.add(finish);
    call.on('cancelled', stop);
    if (isDone()) finish();
    else report();
  }

  closeAll(): void {
    for (const finish of this.finishers) finish();
  }
}

/** The connected clients that have not answered a revision; kept up client by client, since there may be thousands. */
class Unsettled {
  private readonly streams = new Set<AdsStream>();

  constructor(
    private readonly ads: AdsServer,
    readonly revision: number,
  ) {
    for (const stream of ads.streams) this.look(stream);
  }

  get size(): number {
    return this.streams.size;
  }

  /** Something has happened to a client. */
  look(stream: AdsStream): void {
    if (!this.ads.isConnected(stream) || stream.settled(this.revision)) this.streams.delete(stream);
    else this.streams.add(stream);
  }
}

/** This control plane serves the revision, and so do the others, whose clients have answered it. */
function replicasAreDone({ current, presence }: ConfigStore, revision: number): boolean {
  return (
    current.revision >= revision &&
    presence.others.every((other) => other.revision >= revision && other.settled >= other.clients)
  );
}

/** Everyone is waited for; why a client refuses is told to who may see its namespace. */
function progressOf(
  ads: AdsServer,
  store: ConfigStore,
  unsettled: Unsettled,
  visible: Visibility,
): AwaitProgress {
  const { streams } = ads;
  const { revision } = unsettled;
  const { others } = store.presence;
  const own = {
    revision: store.current.revision,
    clients: streams.length,
    settled: streams.length - unsettled.size,
  };
  const all = [own, ...others];
  const isThere = (replica: typeof own) => replica.revision >= revision;
  const rejections = [
    ...streams.filter(({ node }) => visible(node.namespace)).flatMap((stream) => rejectionsOf(stream)),
    ...others.flatMap((other) => other.rejections).filter(({ namespace }) => visible(namespace)),
  ];
  return {
    connected: sum(all.map(({ clients }) => clients)),
    settled: sum(all.filter(isThere).map(({ settled }) => settled)),
    rejections: rejections.filter((rejection) => rejection.revision >= revision),
    done: unsettled.size === 0 && replicasAreDone(store, revision),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** What a client has refused and still runs in an older form. */
export function rejectionsOf(stream: AdsStream): RejectionMessage[] {
  if (!stream.hasRejection) return [];
  return PUSH_ORDER.flatMap((type) => {
    const { rejection } = stream.typeState(type).acks;
    return rejection
      ? [{ client: stream.node.id, type, reason: rejection.message, revision: rejection.revision }]
      : [];
  });
}
