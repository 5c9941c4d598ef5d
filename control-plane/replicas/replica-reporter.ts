import { VERSION } from '../../src/version.js';
import type { AdsServer } from '../ads/ads-server.js';
import { rejectionsOf } from '../api/await-revision.js';
import { ALONE, type Presence, type ReplicaReport } from './replica-report.js';

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

/** Tells the other control planes how far this one's clients are; nobody, and at no cost, where there are none. */
export class ReplicaReporter {
  private timer: NodeJS.Timeout | undefined;
  private stopListening: () => void = () => {};

  constructor(private readonly options: ReporterOptions) {
    if (options.presence === ALONE) return;
    this.stopListening = options.ads.onProgress(() => this.changed());
    this.publish();
  }

  /** Something that the others may want to know is different. */
  changed(): void {
    if (this.options.presence === ALONE) return;
    this.timer ??= setTimeout(() => this.publish(), REPORT_INTERVAL_MS).unref();
  }

  close(): void {
    clearTimeout(this.timer);
    this.stopListening();
  }

  private publish(): void {
    this.timer = undefined;
    this.options.presence.publish(this.report());
  }

  private report(): ReplicaReport {
    const { name, ads } = this.options;
    const { streams } = ads;
    const revision = this.options.revision();
    return {
      name,
      version: VERSION,
      revision,
      clients: streams.length,
      settled: streams.filter((stream) => stream.settled(revision)).length,
      rejections: streams
        .flatMap((stream) =>
          rejectionsOf(stream).map((rejection) => ({ ...rejection, namespace: stream.node.namespace })),
        )
        .slice(0, MAX_REJECTIONS),
    };
  }
}
