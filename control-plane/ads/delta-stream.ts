import type { Message } from '../../src/xds/descriptors.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { SnapshotResource } from '../snapshot/resource.js';
import type { ChangedNames } from '../snapshot/snapshot.js';
import { AdsStream } from './ads-stream.js';
import { encodeDeltaBodies } from './responses.js';
import { applyDelta, type DeltaDemand } from './subscription.js';

/** A client of `DeltaAggregatedResources`: it is sent what differs, and told by name what is gone. */
export class DeltaStream extends AdsStream {
  override readonly protocol = 'delta';

  protected override answer(kind: ResourceKind, request: Message): void {
    const state = this.types[kind];
    const subscribe = names(request.resourceNamesSubscribe);
    const unsubscribe = names(request.resourceNamesUnsubscribe);
    const first = !state.requested;
    const legacyWildcard = first && subscribe.length === 0 && (kind === 'listener' || kind === 'cluster');
    state.requested = true;
    const demand = applyDelta(state.subscription, subscribe, unsubscribe, legacyWildcard);
    // Only a type's first request on a stream says what the client still has from an earlier one.
    const held = first ? ((request.initialResourceVersions ?? {}) as Readonly<Record<string, string>>) : {};
    if (first || demand.everything || demand.names.length > 0) this.answerDemand(kind, demand, held, first);
  }

  private answerDemand(
    kind: ResourceKind,
    demand: DeltaDemand,
    held: Readonly<Record<string, string>>,
    first: boolean,
  ): void {
    const wanted = new Map<string, SnapshotResource | undefined>();
    if (demand.everything) for (const resource of this.list(kind)) wanted.set(resource.name, resource);
    for (const name of demand.names) wanted.set(name, this.get(kind, name));
    for (const name of Object.keys(held))
      if (!wanted.has(name) && this.types[kind].subscription.covers(name))
        wanted.set(name, this.get(kind, name));
    const resources = [...wanted.values()].filter(
      (r): r is SnapshotResource => r !== undefined && held[r.name] !== r.version,
    );
    const removed = [...wanted].filter(([, resource]) => resource === undefined).map(([name]) => name);
    // A wildcard is answered even with nothing, so that the client knows that there is nothing.
    if (resources.length > 0 || removed.length > 0 || (first && demand.everything))
      this.respond(kind, resources, removed);
  }

  protected override sendAll(kind: ResourceKind): void {
    const { subscription } = this.types[kind];
    const resources = subscription.wildcard ? [...this.list(kind)] : [];
    const removed: string[] = [];
    for (const name of subscription.explicitNames) {
      const resource = this.get(kind, name);
      if (resource) resources.push(resource);
      else removed.push(name);
    }
    this.respond(kind, resources, removed);
  }

  protected override sendChanged(kind: ResourceKind, changed: ChangedNames): void {
    const { subscription } = this.types[kind];
    const resources: SnapshotResource[] = [];
    const removed: string[] = [];
    for (const name of changed[kind]) {
      if (!subscription.covers(name)) continue;
      const resource = this.get(kind, name);
      if (resource === undefined) removed.push(name);
      else if (subscription.explicitNames.has(name) || this.isListed(kind, resource))
        resources.push(resource);
    }
    if (resources.length > 0 || removed.length > 0) this.respond(kind, resources, removed);
  }

  private respond(
    kind: ResourceKind,
    resources: readonly SnapshotResource[],
    removed: readonly string[],
  ): void {
    const systemVersion = String(this.source.snapshot.revision);
    for (const body of encodeDeltaBodies({ kind, resources, removed, systemVersion })) this.send(kind, body);
  }

  private get(kind: ResourceKind, name: string): SnapshotResource | undefined {
    return this.source.snapshot.get(kind, name, this.node.namespace);
  }

  private list(kind: ResourceKind): readonly SnapshotResource[] {
    return this.source.snapshot.list(kind, this.node.namespace);
  }

  /** A wildcard covers a service's listener once, under its own name, and not under every alias. */
  private isListed(kind: ResourceKind, resource: SnapshotResource): boolean {
    return kind !== 'listener' || this.source.snapshot.isCanonical(resource);
  }
}

function names(raw: unknown): readonly string[] {
  return Array.isArray(raw) ? (raw as string[]) : [];
}
