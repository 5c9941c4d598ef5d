import { ProcessFigures } from '../../src/telemetry/process-metrics.js';
import { Scraper } from '../../src/telemetry/scrape.js';
import type { AdminSources } from '../admin/admin-server.js';
import { describeClusters } from '../admin/describe-clusters.js';
import { sidecarMetrics } from '../admin/metrics.js';
import { readiness } from '../admin/readiness.js';
import type { SessionTable } from '../session/session-table.js';
import type { PinSharing } from '../session/sharing/pin-sharing.js';
import type { SessionStore } from '../session/store/session-store.js';
import type { Discovery } from './discovery.js';
import type { Drain } from './drain.js';
import type { OtherWorkers } from './other-workers.js';
import type { WorkerParts } from './worker-parts.js';

/** What the administration shows. */
export interface Shown extends Discovery, WorkerParts {
  readonly sessions: SessionTable;
  readonly sharing: PinSharing;
  readonly fleetPins: { readonly isSettled: boolean };
  readonly store: SessionStore | undefined;
  readonly drain: Drain;
  readonly others: OtherWorkers;
  nowMs(): number;
}

/** What the admin port brings about. */
export type AdminActions = Pick<AdminSources, 'drain' | 'serveAgain'>;

export function adminSources(shown: Shown, actions: AdminActions): AdminSources {
  const { configuration, client, clusters, drain, samples, others, node } = shown;
  return {
    readiness: () => readiness({ ...shown, sharing: shown.fleetPins, draining: drain.begun }),
    scraper: newScraper(shown),
    samples: (count) => others.samples(count, samples.latest(count)),
    configDump: () => configuration.dump(),
    clientStatus: () => ({ config: [{ node, genericXdsConfigs: client.status.list() }] }),
    clusters: async () => describeClusters(clusters, await others.clusters()),
    ...actions,
  };
}

function newScraper(shown: Shown): Scraper {
  const { configuration, client, lastGood, others } = shown;
  const figures = new ProcessFigures(shown.delay);
  const metrics = sidecarMetrics({
    ...shown,
    process: figures,
    ready: () => configuration.table !== undefined,
    controlPlaneConnected: () => configuration.connected,
    configurationFromDisk: () => lastGood?.restoredMs !== undefined,
    configurationRevision: () => client.revision,
    configurationKept: () => client.guard.keptCount,
    configurationAgeMs: () => shown.nowMs() - configuration.lastChangeMs,
    rejections: (type) => client.rejections[type],
    sessions: () => shown.sessions.size,
  });
  return new Scraper(metrics, async () => {
    await figures.prepare();
    return others.metrics(metrics);
  });
}
