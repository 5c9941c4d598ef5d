import { VERSION } from '../../src/version.js';
import type { AdsServer } from '../ads/ads-server.js';
import { isLate, LATE_AFTER_MS, MAX_NAMED } from '../ads/late-clients.js';
import { rejectionsOf } from '../ads/resource-status.js';
import { ALONE, type Presence, type ReplicaReport } from '../store/presence.js';

/** Clients become late by doing nothing: while one owes an answer, others are told again after this. */
const LOOK_AGAIN_MS = LATE_AFTER_MS;
/** Others are told at most this often. */
const REPORT_INTERVAL_MS = 100;
/** Most rejections that others are told of. */
const MAX_REJECTIONS = 20;

interface ReporterOptions {
  readonly name: string;
  readonly ads: AdsServer;
  readonly presence: Presence;
  /** Of the configuration that is served. */
  revision(): number;
}

/** Tells the other control planes how far this one's clients are. Without others it does nothing. */
export class ReplicaReporter {
  private timer: NodeJS.Timeout | undefined;
  private lookingAgain: NodeJS.Timeout | undefined;
  private stopListening: () => void = () => {};
  private sharing = '';

  constructor(private readonly options: ReporterOptions) {
    if (options.presence === ALONE) return;
    const listening = [
      options.ads.onProgress(() => this.changed()),
      options.ads.onRound(() => this.changed()),
    ];
    this.stopListening = () => {
      for (const stopListening of listening) stopListening();
    };
    this.publish();
  }

  /** Tells the others where pins are shared. @param address `HOST:PORT`; empty: nowhere */
  share(address: string): void {
    this.sharing = address;
    this.changed();
  }

  /** Something that the others may want to know is different. */
  changed(): void {
    if (this.options.presence === ALONE) return;
    this.timer ??= setTimeout(() => this.publish(), REPORT_INTERVAL_MS).unref();
  }

  close(): void {
    clearTimeout(this.timer);
    clearTimeout(this.lookingAgain);
    this.stopListening();
  }

  private publish(): void {
    this.timer = undefined;
    const report = this.report();
    this.options.presence.publish(report);
    clearTimeout(this.lookingAgain);
    if (report.settled < report.clients)
      this.lookingAgain = setTimeout(() => this.changed(), LOOK_AGAIN_MS).unref();
  }

  private report(): ReplicaReport {
    const { name, ads } = this.options;
    const { streams } = ads;
    const revision = this.options.revision();
    const nowMs = Date.now();
    const settled = streams.filter((stream) => stream.settled(revision)).length;
    return {
      name,
      version: VERSION,
      revision,
      clients: streams.length,
      settled,
      ...(this.sharing !== '' && { sharing: this.sharing }),
      late: streams.filter((stream) => !stream.settled(revision) && isLate(stream, nowMs)).length,
      unanswered: streams
        .filter((stream) => !stream.settled(revision))
        .slice(0, MAX_NAMED)
        .map(({ node, unansweredSinceMs = 0 }) => ({
          client: node.id,
          namespace: node.namespace,
          sinceMs: unansweredSinceMs,
        })),
      rejections: streams
        .flatMap((stream) =>
          rejectionsOf(stream).map((rejection) => ({ ...rejection, namespace: stream.node.namespace })),
        )
        .slice(0, MAX_REJECTIONS),
    };
  }
}
