import type { Message } from '../../src/xds/descriptors.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { SnapshotResource } from '../snapshot/resource.js';
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
    this.answerDemand(kind, demand, held);
  }

  private answerDemand(
    kind: ResourceKind,
    demand: DeltaDemand,
    held: Readonly<Record<string, string>>,
  ): void {
    const wanted = new Map<string, SnapshotResource | undefined>();
    if (demand.everything) for (const resource of this.list(kind)) wanted.set(resource.name, resource);
    for (const name of demand.names) wanted.set(name, this.get(kind, name));
    for (const name of Object.keys(held))
      if (!wanted.has(name) && this.types[kind].subscription.covers(name))
        wanted.set(name, this.get(kind, name));
    const resources = [...wanted.values()].filter(
      (r): r is SnapshotResource =>
        r !== undefined && (held[r.name] !== r.version || this.isOwed(kind, r.name)),
    );
    const removed = [...wanted].filter(([, resource]) => resource === undefined).map(([name]) => name);
    // A wildcard is answered even with nothing, so that the client knows that there is nothing.
    if (resources.length > 0 || removed.length > 0 || demand.everything)
      this.respond(kind, resources, removed);
  }

  protected override sendNamed(kind: ResourceKind, named: readonly string[]): void {
    const found = named.map((name) => [name, this.get(kind, name)] as const);
    const resources = found.flatMap(([, resource]) => resource ?? []);
    const removed = found.filter(([, resource]) => resource === undefined).map(([name]) => name);
    if (found.length > 0) this.respond(kind, resources, removed);
  }

  private respond(
    kind: ResourceKind,
    resources: readonly SnapshotResource[],
    removed: readonly string[],
  ): void {
    const systemVersion = String(this.source.snapshot.revision);
    for (const body of encodeDeltaBodies({ kind, resources, removed, systemVersion }))
      this.send(kind, body.bytes, body.names);
    const sent = resources.map(({ name }) => name);
    this.noteSent(kind, [...sent, ...removed]);
  }
}

function names(raw: unknown): readonly string[] {
  return Array.isArray(raw) ? (raw as string[]) : [];
}
