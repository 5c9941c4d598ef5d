import type { ServerWritableStream } from '@grpc/grpc-js';
import type { AwaitProgress, RejectionMessage } from '../../src/api/config-service.js';
import { PUSH_ORDER } from '../../src/xds/resource-types.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { AdsStream } from '../ads/ads-stream.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 600_000;
/** Progress is told at most this often. */
const REPORT_INTERVAL_MS = 100;

type AwaitCall = ServerWritableStream<
  { readonly revision: number; readonly timeoutMs: number },
  AwaitProgress
>;

/** Reports how many clients have answered a revision until all have, the time is up or the caller has left. */
export function followRevision(ads: AdsServer, call: AwaitCall): void {
  const { revision, timeoutMs } = call.request;
  const last = setTimeout(() => finish(), Math.min(timeoutMs || DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS));
  let pending: NodeJS.Timeout | undefined;
  const stopListening = ads.onProgress(() => {
    if (progressOf(ads, revision).done) finish();
    else pending ??= setTimeout(report, REPORT_INTERVAL_MS);
  });
  const stop = () => {
    clearTimeout(last);
    clearTimeout(pending);
    stopListening();
  };
  const report = () => {
    pending = undefined;
    call.write(progressOf(ads, revision));
  };
  const finish = () => {
    stop();
    call.write(progressOf(ads, revision));
    call.end();
  };
  call.on('cancelled', stop);
  if (progressOf(ads, revision).done) finish();
  else report();
}

function progressOf(ads: AdsServer, revision: number): AwaitProgress {
  const streams = [...ads.streams];
  const settled = streams.filter((stream) => stream.settled(revision));
  const rejections = streams
    .flatMap((stream) => rejectionsOf(stream))
    .filter((rejection) => rejection.revision >= revision);
  return {
    connected: streams.length,
    settled: settled.length,
    rejections,
    done: settled.length === streams.length,
  };
}

/** The refusals of a client's newest responses. */
export function rejectionsOf(stream: AdsStream): RejectionMessage[] {
  return PUSH_ORDER.flatMap((type) => {
    const { rejection } = stream.typeState(type).acks;
    return rejection
      ? [{ client: stream.node.id, type, reason: rejection.message, revision: rejection.revision }]
      : [];
  });
}
