import type { AwaitProgress, LateClient } from '../../src/api/config-service.js';
import type { Visibility } from '../access/caller.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { AdsStream } from '../ads/ads-stream.js';
import { LATE_AFTER_MS, MAX_NAMED, UnsettledClients } from '../ads/late-clients.js';
import { rejectionsOf } from '../ads/resource-status.js';
import type { ConfigStore } from '../store/config-store.js';
import type { ReplicaReport } from '../store/presence.js';

/** How many clients of each of the other control planes were late when the wait began. */
type LateElsewhere = ReadonlyMap<string, number>;

function lateElsewhere({ presence }: ConfigStore): LateElsewhere {
  return new Map(presence.others.map(({ name, late = 0 }) => [name, late]));
}

/**
 * This control plane serves the revision, and so do the others, whose clients have answered it, but for those that
 * were late before.
 */
function replicasAreDone(
  { current, presence }: ConfigStore,
  revision: number,
  lateBefore: LateElsewhere,
): boolean {
  const leftOut = ({ name, late = 0 }: ReplicaReport) => Math.min(lateBefore.get(name) ?? 0, late);
  return (
    current.revision >= revision &&
    presence.others.every(
      (other) => other.revision >= revision && other.settled + leftOut(other) >= other.clients,
    )
  );
}

/** One wait for one revision: who has answered it, and who is late. */
export class RevisionWait {
  private readonly startedAtMs = Date.now();
  private readonly unsettled: UnsettledClients;
  private readonly lateElsewhere: LateElsewhere;

  constructor(
    private readonly ads: AdsServer,
    private readonly store: ConfigStore,
    private readonly revision: number,
    private readonly visible: Visibility,
  ) {
    this.unsettled = new UnsettledClients(ads, revision, this.startedAtMs);
    this.lateElsewhere = lateElsewhere(store);
  }

  get isDone(): boolean {
    return this.unsettled.isDone && replicasAreDone(this.store, this.revision, this.lateElsewhere);
  }

  look(stream: AdsStream): void {
    this.unsettled.look(stream);
  }

  /** Clients may have moved on without a word. */
  lookAtAll(): void {
    this.unsettled.lookAtAll();
  }

  /** Everyone is waited for; why a client refuses, or which is late, is told to who may see its namespace. */
  get progress(): AwaitProgress {
    const { revision, visible } = this;
    const { streams } = this.ads;
    const { others } = this.store.presence;
    const own = {
      revision: this.store.current.revision,
      clients: streams.length,
      settled: streams.length - this.unsettled.size,
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
      done: this.isDone,
      late: this.late(Date.now()),
    };
  }

  private late(nowMs: number): LateClient[] {
    const silentMs = (sinceMs = 0) => (sinceMs === 0 ? 0 : Math.max(1, nowMs - sinceMs));
    const late: LateClient[] = [];
    for (const { stream, lateBefore } of this.unsettled) {
      if (late.length === MAX_NAMED) break;
      const { node, unansweredSinceMs } = stream;
      if (this.visible(node.namespace))
        late.push({ client: node.id, silentMs: silentMs(unansweredSinceMs), lateBefore });
    }
    for (const { name, unanswered = [] } of this.store.presence.others)
      for (const { client, namespace, sinceMs } of unanswered)
        if (this.visible(namespace))
          late.push({
            client: `${client} (at ${name})`,
            silentMs: silentMs(sinceMs),
            lateBefore:
              (this.lateElsewhere.get(name) ?? 0) > 0 &&
              sinceMs > 0 &&
              this.startedAtMs - sinceMs >= LATE_AFTER_MS,
          });
    return late.slice(0, MAX_NAMED);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
