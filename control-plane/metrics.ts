import { Counter, Gauge, Registry } from 'prom-client';
import type { AdsServer } from './ads/ads-server.js';
import type { ConfigStore } from './store/config-store.js';

/** The control plane's metrics; read when they are scraped. */
export function controlPlaneMetrics(parts: {
  readonly store: ConfigStore;
  readonly ads: AdsServer;
}): Registry {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge(
    'roost_control_plane_revision',
    'Revision of the configuration in force.',
    () => parts.store.current.revision,
  );
  gauge('roost_control_plane_services', 'Services configured.', () => parts.store.current.services.size);
  gauge('roost_control_plane_clients', 'xDS clients connected.', () => parts.ads.streams.length);
  gauge(
    'roost_control_plane_clients_in_sync',
    'xDS clients that have answered everything sent to them.',
    () => {
      const { revision } = parts.store.current;
      return parts.ads.streams.filter((stream) => stream.settled(revision)).length;
    },
  );
  counter(
    registry,
    'roost_control_plane_rejections_total',
    'Responses that clients refused.',
    () => parts.ads.rejectionCount,
  );
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  return registry;
}

function counter(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}
