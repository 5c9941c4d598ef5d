import { ProcessFigures } from '../../src/telemetry/process-metrics.js';
import { Scraper } from '../../src/telemetry/scrape.js';
import type { AdminSources } from '../admin/admin-server.js';
import { describeClusters } from '../admin/describe-clusters.js';
import { sidecarMetrics } from '../admin/metrics.js';
import { readiness } from '../admin/readiness.js';
import { newestOf } from '../admin/request-samples.js';
import { withOthers } from '../admin/summed-metrics.js';
import type { Drain } from '../drain.js';
import type { SidecarOptions } from '../options.js';
import type { SessionTable } from '../session/session-table.js';
import type { WorkerTeam } from '../workers/worker-team.js';
import type { Discovery } from './discovery.js';
import type { WorkerParts } from './worker-parts.js';

/** What the administration shows. */
export interface Shown extends Discovery, WorkerParts {
  readonly sessions: SessionTable;
  readonly drain: Drain;
  /** Who else carries requests, where somebody does. */
  readonly team: WorkerTeam | undefined;
  nowMs(): number;
}

export function adminSources(options: SidecarOptions, shown: Shown, onDrain: () => void): AdminSources {
  const { configuration, client, lastGood, clusters, drain, samples, team, node } = shown;
  const { controlPlane } = options;
  return {
    readiness: () => readiness({ draining: drain.begun, configuration, lastGood, controlPlane }),
    scraper: newScraper(options, shown),
    samples: async (count) => {
      const others = await team?.askSoon('samples', count);
      return newestOf(count, [samples.latest(count), ...(others ?? [])]);
    },
    configDump: () => configuration.dump(),
    clientStatus: () => ({ config: [{ node, genericXdsConfigs: client.status.list() }] }),
    clusters: async () => describeClusters(clusters, (await team?.askSoon('clusters')) ?? []),
    drain: onDrain,
  };
}

function newScraper({ workers }: SidecarOptions, shown: Shown): Scraper {
  const { configuration, client, lastGood, team } = shown;
  const figures = new ProcessFigures(shown.delay);
  const metrics = sidecarMetrics({
    ...shown,
    process: figures,
    workers,
    ready: () => configuration.table !== undefined,
    controlPlaneConnected: () => configuration.connected,
    configurationFromDisk: () => lastGood?.restoredMs !== undefined,
    configurationRevision: () => client.revision,
    configurationAgeMs: () => shown.nowMs() - configuration.lastChangeMs,
    rejections: (type) => client.rejections[type],
    sessions: () => shown.sessions.size,
  });
  return new Scraper(metrics, async () => {
    await figures.prepare();
    if (team !== undefined) return withOthers(metrics, await team.askSoon('metrics'));
  });
}
