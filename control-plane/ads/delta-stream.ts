import type { Message } from '../../src/xds/descriptors.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { SnapshotResource } from '../snapshot/resource.js';
import { AdsStream, type Push } from './ads-stream.js';
import { type DeltaRequest, NO_LISTS, type RequestLists } from './delta-request.js';
import { deltaResponses } from './responses.js';
import type { Answer } from './shared-answers.js';
import { applyDelta, type DeltaDemand } from './subscription.js';

/**
 * A client of `DeltaAggregatedResources`: it is sent what differs, and told by name what is gone. What one client is
 * answered is kept for all that are in the same position.
 */
export class DeltaStream extends AdsStream {
  override readonly protocol = 'delta';

  protected override asksNothing(kind: ResourceKind, request: Message): boolean {
    return this.types[kind].requested && (request as DeltaRequest).lists === NO_LISTS;
  }

  protected override answer(kind: ResourceKind, request: Message): void {
    const state = this.types[kind];
    const { lists } = request as DeltaRequest;
    const first = !state.requested;
    const legacyWildcard =
      first && lists.subscribe.length === 0 && (kind === 'listener' || kind === 'cluster');
    state.requested = true;
    const demand = applyDelta(state.subscription, lists.subscribe, lists.unsubscribe, legacyWildcard);
    // Only a type's first request on a stream says what the client still has from an earlier one.
    const held = first ? lists.held : NO_LISTS.held;
    const cause = `${this.source.snapshot.sequence} ${lists.id} ${first} ${demand.everything}`;
    this.give(kind, cause, () => this.answerDemand(kind, demand, held));
  }

  protected override sendChanged(kind: ResourceKind, { changed, cause, revised }: Push): void {
    const named = this.relevant(kind, changed);
    if (named.length > 0) this.give(kind, cause, () => this.answerNamed(kind, named, revised));
  }

  protected override sendNamed(kind: ResourceKind, named: readonly string[]): void {
    this.sendAnswer(kind, this.answerNamed(kind, named));
  }

  /**
   * Sends what has been made for a client in the same position, or is made now.
   *
   * @param cause what is answered, and from which snapshot; it has no space at its end
   */
  private give(kind: ResourceKind, cause: string, make: () => Answer): void {
    const { answers } = this.source;
    const { subscription } = this.types[kind];
    const key = `${cause} ${kind} ${subscription.key} ${this.owed.id} ${this.node.namespace}`;
    this.sendAnswer(kind, answers.get(key, make));
  }

  private sendAnswer(kind: ResourceKind, { messages, owed }: Answer): void {
    for (const message of messages) this.send(kind, message);
    this.owed = owed;
  }

  private answerDemand(kind: ResourceKind, demand: DeltaDemand, held: RequestLists['held']): Answer {
    const wanted = new Map<string, SnapshotResource | undefined>();
    if (demand.everything) for (const resource of this.list(kind)) wanted.set(resource.name, resource);
    for (const name of demand.names) wanted.set(name, this.get(kind, name));
    for (const name of held.keys())
      if (!wanted.has(name) && this.types[kind].subscription.covers(name))
        wanted.set(name, this.get(kind, name));
    const resources = [...wanted.values()].filter(
      (r): r is SnapshotResource =>
        r !== undefined && (held.get(r.name) !== r.version || this.isOwed(kind, r.name)),
    );
    const removed = [...wanted].filter(([, resource]) => resource === undefined).map(([name]) => name);
    // A wildcard is answered even with nothing, so that the client knows that there is nothing.
    return this.answerWith(kind, resources, removed, demand.everything);
  }

  private answerNamed(kind: ResourceKind, named: readonly string[], revised = true): Answer {
    const found = named.map((name) => [name, this.get(kind, name)] as const);
    const resources = found.flatMap(([, resource]) => resource ?? []);
    const removed = found.filter(([, resource]) => resource === undefined).map(([name]) => name);
    return this.answerWith(kind, resources, removed, false, revised);
  }

  /** @param always answer even with nothing */
  private answerWith(
    kind: ResourceKind,
    resources: readonly SnapshotResource[],
    removed: readonly string[],
    always: boolean,
    revised = true,
  ): Answer {
    const { snapshot, nonces } = this.source;
    const isNothing = resources.length + removed.length === 0;
    const content = { kind, resources, removed, revised, revision: snapshot.revision };
    const names = [...resources.map(({ name }) => name), ...removed];
    return {
      messages: isNothing && !always ? [] : deltaResponses(content, nonces),
      bytes: resources.reduce((sum, { delta }) => sum + delta.length, 0),
      owed: this.owedAfter(kind, names),
    };
  }
}
