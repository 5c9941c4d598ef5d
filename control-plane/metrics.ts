import {
  type BoundMetric,
  bindMetrics,
  type Collector,
  labelText,
  sample,
  single,
} from '../src/telemetry/metrics.js';
import type { ProcessFigures } from '../src/telemetry/process-metrics.js';
import { PUSH_ORDER, type ResourceKind } from '../src/xds/resource-types.js';
import type { Access } from './access/access.js';
import type { AdsServer } from './ads/ads-server.js';
import { CONTROL_PLANE_METRICS } from './metric-table.js';
import type { SessionHub } from './sessions/session-hub.js';
import type { ConfigSource } from './source/config-source.js';
import type { ConfigStore } from './store/config-store.js';

export interface MetricSources {
  readonly store: ConfigStore;
  readonly sources: ConfigSource;
  readonly ads: AdsServer;
  readonly sessions: SessionHub;
  readonly access: Access;
  readonly process: ProcessFigures;
}

/** The control plane's metrics. */
export function controlPlaneMetrics(sources: MetricSources): BoundMetric[] {
  const { store, sources: config, ads, sessions, access, process } = sources;
  const { figures } = ads;
  return bindMetrics(CONTROL_PLANE_METRICS, {
    roost_control_plane_revision: single(() => store.current.revision),
    roost_control_plane_services: single(() => store.current.services.size),
    roost_control_plane_store_available: single(() => (store.problem === undefined ? 1 : 0)),
    roost_control_plane_config_file_problems: single(() => config.problems.length),
    roost_control_plane_config_files_waiting: single(() => config.waiting.length),
    roost_control_plane_replicas: single(() => 1 + store.presence.others.length),
    roost_control_plane_clients: (name) =>
      (['delta', 'sotw'] as const).map((protocol) => {
        const count = ads.streams.filter((stream) => stream.protocol === protocol).length;
        return sample(name, labelText({ protocol }), count);
      }),
    roost_control_plane_clients_in_sync: single(() => {
      const { revision } = store.current;
      return ads.streams.filter((stream) => stream.settled(revision)).length;
    }),
    roost_control_plane_responses_total: byType(figures.responses),
    roost_control_plane_acknowledgements_total: byType(figures.acknowledgements),
    roost_control_plane_rejections_total: byType(figures.rejections),
    roost_control_plane_cut_off_clients_total: single(() => figures.cutOff),
    roost_control_plane_push_duration_seconds: (name) => [figures.pushes.samples(name, '')],
    roost_control_plane_answer_duration_seconds: (name) => [figures.answers.samples(name, '')],
    roost_control_plane_refused_calls_total: (name) =>
      Object.entries(access.guard.refusals).map(([reason, count]) =>
        sample(name, labelText({ reason }), count),
      ),
    roost_control_plane_certificate_not_after_timestamp_seconds: (name) =>
      access.certificateNotAfterMs === undefined
        ? []
        : [sample(name, '', access.certificateNotAfterMs / 1000)],
    roost_control_plane_session_sharing_sidecars: single(() => sessions.memberCount),
    roost_control_plane_shared_pins: single(() => sessions.size),
    roost_control_plane_shared_pins_received_total: single(() => sessions.counts.received),
    roost_control_plane_session_sharing_conflicts_total: single(() => sessions.counts.conflicts),
    roost_control_plane_session_sharing_damaged_total: single(() => sessions.counts.damaged),
    roost_control_plane_session_sharing_delayed_total: single(() => sessions.counts.delayed),
    ...process.collectors,
  });
}

function byType(counts: Readonly<Record<ResourceKind, number>>): Collector {
  return (name) => PUSH_ORDER.map((type) => sample(name, labelText({ type }), counts[type]));
}
