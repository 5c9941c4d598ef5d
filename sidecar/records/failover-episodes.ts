import type { Logger } from '../../src/telemetry/logger.js';
import type { NewFailovers } from './failovers.js';

/** An episode is over once the release has a usable endpoint and nothing has failed over for so long. */
const CALM_MS = 5000;
const LOOK_INTERVAL_MS = 1000;
/** Most episodes that are followed; what begins beyond that is counted, and not logged. */
const MAX_EPISODES = 1000;

interface Episode {
  readonly service: string;
  readonly release: string;
  readonly sinceMs: number;
  lastMs: number;
  failovers: number;
}

interface EpisodeNeeds {
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Whether a cluster has a usable endpoint; undefined: there is no such cluster any more. */
  isUsable(cluster: string): boolean | undefined;
}

/**
 * Tells the operator of releases without a usable endpoint whose requests other releases take: a line when that begins
 * and one when it is over, however many requests there are. Without them, a canary that is down looks well.
 */
export class FailoverEpisodes {
  /** By cluster. */
  private readonly episodes = new Map<string, Episode>();
  private lookedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly needs: EpisodeNeeds) {}

  note(news: readonly NewFailovers[], nowMs: number): void {
    for (const { cluster, service, release, to, count } of news) {
      const known = this.episodes.get(cluster);
      if (known !== undefined) {
        known.failovers += count;
        known.lastMs = nowMs;
      } else if (this.episodes.size < MAX_EPISODES) {
        this.episodes.set(cluster, { service, release, sinceMs: nowMs, lastMs: nowMs, failovers: count });
        this.needs.log.warn(
          { upstream: service, release, to },
          'a release has no usable endpoint: another release takes its requests',
        );
      }
    }
  }

  /** Called on the coarse clock's tick. */
  onTick(nowMs: number): void {
    if (this.episodes.size === 0 || nowMs - this.lookedMs < LOOK_INTERVAL_MS) return;
    this.lookedMs = nowMs;
    for (const [cluster, episode] of this.episodes) {
      const isUsable = this.needs.isUsable(cluster);
      if (isUsable === false || (isUsable === true && nowMs - episode.lastMs < CALM_MS)) continue;
      this.episodes.delete(cluster);
      const { service, release, failovers, sinceMs } = episode;
      this.needs.log.info(
        { upstream: service, release, failovers, lastedSeconds: Math.round((nowMs - sinceMs) / 1000) },
        isUsable === undefined
          ? 'a release without a usable endpoint has left the configuration'
          : 'a release has a usable endpoint again, and takes its requests itself',
      );
    }
  }
}
