import { type ServiceKey, serviceKey } from '../../src/model/mesh-service.js';
import type { LiveEndpoints } from '../endpoints/live-endpoints.js';
import type { ConfigStore } from '../store/config-store.js';
import { type Configuration, recordContext } from '../store/configuration.js';
import type { TranslateContext } from '../translate/policy.js';
import type { ChangeLog } from './change-log.js';
import type { ChangedNames } from './changed-names.js';
import type { Snapshot } from './snapshot.js';

export interface PublisherOptions {
  readonly store: ConfigStore;
  readonly endpoints: LiveEndpoints;
  readonly snapshot: Snapshot;
  readonly changes: ChangeLog;
  /** How long clusters and load assignments are served on after the configuration has dropped them. */
  readonly lingerMs: number;
  nowMs(): number;
  /** The oldest snapshot that a client is at. */
  slowestSequence(): number;
  /** The snapshot and the log of changes have moved on. */
  onPublished(): void;
}

/**
 * Keeps a snapshot equal to the store's configuration and to live endpoints, and lets go of what the configuration has
 * dropped.
 */
export class SnapshotPublisher {
  private timer: NodeJS.Timeout | undefined;

  private readonly stopListening: () => void;

  constructor(private readonly options: PublisherOptions) {
    const { store, snapshot, endpoints } = options;
    this.update(store.current, store.current.services.keys());
    this.stopListening = endpoints.onChange((changed) =>
      this.publish(() => snapshot.updateEndpoints(changed, this.context(store.current))),
    );
    store.on('change', (configuration, keys) => this.update(configuration, keys));
  }

  close(): void {
    clearTimeout(this.timer);
    this.stopListening();
  }

  private context(configuration: Configuration): TranslateContext {
    return translateContext(configuration, this.options.endpoints);
  }

  private update(configuration: Configuration, keys: Iterable<ServiceKey>): void {
    const { snapshot } = this.options;
    const changed = new Map([...keys].map((key) => [key, configuration.services.get(key)?.service]));
    this.publish(() =>
      snapshot.update(configuration.revision, changed, this.context(configuration), this.options.nowMs()),
    );
  }

  private publish(move: () => ChangedNames): void {
    const { snapshot, changes } = this.options;
    const from = snapshot.sequence;
    const changed = move();
    if (snapshot.sequence !== from) {
      changes.add(from, changed, () => this.options.slowestSequence());
      this.options.onPublished();
    }
    this.schedule();
  }

  private schedule(): void {
    const { snapshot, lingerMs, nowMs } = this.options;
    const since = snapshot.lingeringSinceMs;
    clearTimeout(this.timer);
    if (since === undefined) return;
    const waitMs = Math.max(1, since + lingerMs - nowMs());
    this.timer = setTimeout(() => {
      this.publish(() => snapshot.forget(nowMs() - lingerMs));
    }, waitMs).unref();
  }
}

/** What translation of a configuration needs besides each service. */
export function translateContext(
  { pinSecret, services }: Configuration,
  endpoints: LiveEndpoints,
): TranslateContext {
  return {
    ...recordContext(pinSecret, (key) => services.get(key)?.record),
    endpointsOf: (service, release) => endpoints.of(serviceKey(service), release),
  };
}
