import type { Metadata } from '@grpc/grpc-js';
import { REPLACES_METADATA, STORE_METADATA } from '../../src/api/store-identity.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';

/**
 * Stands between this sidecar and a control plane that has lost its data. A control plane says which store it serves.
 * Where that is not the store that this sidecar's configuration is from, what the control plane does not know of is
 * kept: that it was never told of something is no word that it is to go. What it is told of later, changed and removed,
 * is followed as ever.
 *
 * It ends when the control plane has the old store again (a restored backup, the right directory), knows everything
 * that is here, or says that it replaces what there was. Servers that do not name a store are believed.
 */
export class StoreGuard {
  /** The store that the configuration here is from; empty: not known. */
  private home = '';
  private server = '';
  private readonly answered = new Set<ResourceKind>();
  /** What is kept although the control plane does not know it. */
  private readonly kept = new Map<ResourceKind, Set<string>>();

  constructor(private readonly log: Logger) {}

  /** The store that the configuration here is from; empty: not known. */
  get store(): string {
    return this.home;
  }

  /** Resources that the control plane does not know and that are kept. */
  get keptCount(): number {
    return [...this.kept.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Before the start: where the configuration is from that is here already. */
  resume(store: string): void {
    this.home = store;
  }

  /** A control plane begins to answer on a new stream. */
  meet(metadata: Metadata): void {
    const [server] = metadata.get(STORE_METADATA);
    this.server = typeof server === 'string' ? server : '';
    this.answered.clear();
    this.kept.clear();
    const isHome = this.home === '' || this.server === '' || this.home === this.server;
    if (isHome || metadata.get(REPLACES_METADATA).length > 0) this.home = this.server;
  }

  /**
   * Those of the resources that are said to be gone that are to go.
   *
   * @param given names of the resources that come with it
   */
  believed(kind: ResourceKind, removed: readonly string[], given: readonly string[]): readonly string[] {
    if (this.home === this.server) return removed;
    if (!this.answered.has(kind)) this.keep(kind, removed);
    const kept = this.kept.get(kind);
    for (const name of given) kept?.delete(name);
    return removed.filter((name) => !kept?.has(name));
  }

  /** The first answer says what of all that is here the control plane does not know. */
  private keep(kind: ResourceKind, unknown: readonly string[]): void {
    this.answered.add(kind);
    this.kept.set(kind, new Set(unknown));
    // Everything else hangs from listeners.
    if (kind === 'listener' && unknown.length === 0) this.home = this.server;
    if (unknown.length > 0)
      this.log.warn(
        { type: kind, count: unknown.length, names: unknown.slice(0, 10) },
        'the control plane has another store than the one that the configuration is from; what it does not know is kept',
      );
  }
}
