import type { ServiceKey } from '../../src/model/mesh-service.js';
import { clusterName } from '../../src/xds/resource-names.js';
import { decisionTable } from '../plan/decision-table.js';
import type { ConfiguredService } from '../store/configuration.js';
import type { TranslateContext } from '../translate/policy.js';
import type { SessionHub } from './session-hub.js';
import { reportSessions } from './session-report.js';

/** Counts are this old at most. */
const FRESH_MS = 2000;

interface Counted {
  readonly atMs: number;
  /** Whose pins were counted: a change of the service is another count. */
  readonly service: ConfiguredService;
  /** Sessions by cluster. */
  readonly clusters: ReadonlyMap<string, number>;
}

/** How many sessions are pinned to each release, of those that sidecars share; each is counted once. */
export class PinCounts {
  private readonly counted = new Map<ServiceKey, Counted>();

  constructor(
    private readonly hub: SessionHub,
    private readonly context: () => TranslateContext,
  ) {}

  /** @returns sessions by cluster */
  async of(services: ReadonlyMap<ServiceKey, ConfiguredService>): Promise<ReadonlyMap<string, number>> {
    const all = new Map<string, number>();
    for (const key of this.counted.keys()) if (!services.has(key)) this.counted.delete(key);
    for (const [key, service] of services) {
      const { name, namespace } = service.service;
      if ((this.hub.find(`${name}.${namespace}`)?.book.size ?? 0) === 0) continue;
      for (const [cluster, count] of (await this.count(key, service)).clusters) all.set(cluster, count);
    }
    return all;
  }

  private async count(key: ServiceKey, service: ConfiguredService): Promise<Counted> {
    const known = this.counted.get(key);
    if (known?.service === service && this.hub.nowMs - known.atMs < FRESH_MS) return known;
    const host = decisionTable(service.service, this.context());
    const asked = { service: service.service, key: '', hub: this.hub, host };
    const { counts } = await reportSessions(asked);
    const clusters = new Map<string, number>();
    for (const { release, sessions } of counts) {
      if (release === '') continue;
      const cluster = clusterName(service.service, release);
      clusters.set(cluster, (clusters.get(cluster) ?? 0) + sessions);
    }
    const counted = { atMs: this.hub.nowMs, service, clusters };
    this.counted.set(key, counted);
    return counted;
  }
}
