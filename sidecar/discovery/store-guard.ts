import type { Metadata } from '@grpc/grpc-js';
import {
  REPLACES_METADATA,
  REVISION_METADATA,
  SIDECAR_KEY_METADATA,
  STORE_METADATA,
} from '../../src/api/store-identity.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';

/** Where a configuration is from. */
export interface Origin {
  /** Name of the store; empty: not known. */
  readonly store: string;
  /** The newest of its revisions that was seen. */
  readonly revision: number;
  /** What sidecars that are served from it share, in base64url; absent: it has not said. */
  readonly sidecarKey?: string;
}

export const UNKNOWN_ORIGIN: Origin = { store: '', revision: 0 };

/**
 * The first answer of a type comes at once, unless there is nothing to say: what was asked for is here in the same
 * versions. After this time, silence was that.
 */
const FIRST_ANSWER_MS = 10_000;

/**
 * Stands between this sidecar and a control plane that has lost its data, or has an older version of it. A control
 * plane says which store it serves, and at which revision. Where that is not what this sidecar's configuration is from,
 * what the control plane does not know of is kept: that it was never told of something is no word that it is to go.
 * What it is told of later, changed and removed, is followed as ever.
 *
 * It ends when the control plane has the old store again (a restored backup, the right directory), knows everything
 * that is here, or says that it replaces what there was. Servers that do not name a store are believed.
 */
export class StoreGuard {
  /** What the configuration here is from. */
  private home = UNKNOWN_ORIGIN;
  private server = UNKNOWN_ORIGIN;
  private readonly answered = new Set<ResourceKind>();
  /** What is kept although the control plane does not know it. */
  private readonly kept = new Map<ResourceKind, Set<string>>();
  private metAtMs = 0;

  /** @param nowMs a clock that never goes back */
  constructor(
    private readonly log: Logger,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** What the configuration here is from. */
  get origin(): Origin {
    return this.home;
  }

  /** Resources that the control plane does not know and that are kept. */
  get keptCount(): number {
    return [...this.kept.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Before the start: where the configuration is from that is here already. */
  resume(origin: Origin): void {
    this.home = origin;
  }

  /** A control plane begins to answer on a new stream. */
  meet(metadata: Metadata): void {
    this.server = originIn(metadata);
    this.metAtMs = this.nowMs();
    this.answered.clear();
    this.kept.clear();
    const { home, server } = this;
    const isKnown = home.store !== '' && server.store !== '';
    const isOther = isKnown && (home.store !== server.store || server.revision < home.revision);
    if (!isOther || metadata.get(REPLACES_METADATA).length > 0) this.home = server;
    // From now on another one, also when it has counted on beyond where it was.
    else if (home.store === server.store) this.home = { ...home, store: `${home.store} before it went back` };
  }

  /** What sidecars share that are served by the control plane that answers. */
  get sidecarKey(): string | undefined {
    return this.server.sidecarKey;
  }

  /** A revision of the store that answers. */
  saw(revision: number): void {
    if (this.isHome && revision > this.home.revision) this.home = { ...this.home, revision };
  }

  /**
   * Those of the resources that are said to be gone that are to go.
   *
   * @param given names of the resources that come with it
   */
  believed(kind: ResourceKind, removed: readonly string[], given: readonly string[]): readonly string[] {
    if (this.isHome) return removed;
    if (!this.answered.has(kind)) {
      const wasSilent = this.nowMs() - this.metAtMs > FIRST_ANSWER_MS;
      this.keep(kind, wasSilent ? [] : removed);
    }
    const kept = this.kept.get(kind);
    for (const name of given) kept?.delete(name);
    return removed.filter((name) => !kept?.has(name));
  }

  private get isHome(): boolean {
    return this.home.store === this.server.store;
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
        'the control plane has another store than the one that the configuration is from, or an older version of it; what it does not know is kept',
      );
  }
}

function originIn(metadata: Metadata): Origin {
  const [store] = metadata.get(STORE_METADATA);
  const [revision] = metadata.get(REVISION_METADATA);
  const [sidecarKey] = metadata.get(SIDECAR_KEY_METADATA);
  if (typeof store !== 'string') return UNKNOWN_ORIGIN;
  return { store, revision: Number(revision) || 0, ...(typeof sidecarKey === 'string' && { sidecarKey }) };
}
