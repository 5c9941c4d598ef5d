import type { ServerWritableStream } from '@grpc/grpc-js';
import type { AwaitProgress, RejectionMessage } from '../../src/api/config-service.js';
import { PUSH_ORDER } from '../../src/xds/resource-types.js';
import { type Visibility, visibilityOf } from '../access/caller.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { AdsStream } from '../ads/ads-stream.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 600_000;
/** Progress is told at most this often. */
const REPORT_INTERVAL_MS = 100;

export type AwaitCall = ServerWritableStream<
  { readonly revision: number; readonly timeoutMs: number },
  AwaitProgress
>;

/** Everyone who waits for clients to answer a revision. */
export class RevisionFollowers {
  private readonly finishers = new Set<() => void>();

  constructor(private readonly ads: AdsServer) {}

  /** Reports how many clients have answered until all have, the time is up or the caller has left. */
  serve(call: AwaitCall): void {
    const { revision, timeoutMs } = call.request;
    const visible = visibilityOf(call);
    const unsettled = new Unsettled(this.ads, revision);
    const write = () => call.write(progressOf(this.ads, revision, visible));
    let pending: NodeJS.Timeout | undefined;
    let checking: NodeJS.Immediate | undefined;
    const report = () => {
      pending = undefined;
      write();
    };
    const stop = () => {
      clearTimeout(last);
      clearTimeout(pending);
      clearImmediate(checking);
      stopListening();
      this.finishers.delete(finish);
    };
    const finish = () => {
      stop();
      write();
      call.end();
    };
    const last = setTimeout(finish, Math.min(timeoutMs || DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS));
    const check = () => {
      checking = undefined;
      if (unsettled.size === 0) finish();
      else pending ??= setTimeout(report, REPORT_INTERVAL_MS);
    };
    const stopListening = this.ads.onProgress((stream) => {
      unsettled.look(stream);
      checking ??= setImmediate(check);
    });
    this.finishers.add(finish);
    call.on('cancelled', stop);
    if (unsettled.size === 0) finish();
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
    private readonly revision: number,
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

/** Everyone is waited for; why a client refuses is told to who may see its namespace. */
function progressOf(ads: AdsServer, revision: number, visible: Visibility): AwaitProgress {
  const { streams } = ads;
  const settled = streams.filter((stream) => stream.settled(revision));
  const rejections = streams
    .filter(({ node }) => visible(node.namespace))
    .flatMap((stream) => rejectionsOf(stream))
    .filter((rejection) => rejection.revision >= revision);
  return {
    connected: streams.length,
    settled: settled.length,
    rejections,
    done: settled.length === streams.length,
  };
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
