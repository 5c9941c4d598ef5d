import type { Message } from '../../src/xds/descriptors.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { type SnapshotResource, versionOfAll } from '../snapshot/resource.js';
import { AdsStream, type Push } from './ads-stream.js';
import { sotwResponses } from './responses.js';
import { applySotw } from './subscription.js';

/**
 * A client of `StreamAggregatedResources`: responses of listeners and clusters are complete, what they leave out
 * is gone; those of routes and endpoints hold what changed.
 */
export class SotwStream extends AdsStream {
  override readonly protocol = 'sotw';

  protected override answer(kind: ResourceKind, request: Message, nonce: string): void {
    const state = this.types[kind];
    // A request that answers an older response than the newest speaks of a state that is over. A stream's first
    // request of a type answers nothing, even where a client has kept a nonce.
    if (state.requested && nonce !== '' && nonce !== state.acks.newestNonce) return;
    const requested = (request.resourceNames ?? []) as readonly string[];
    state.requested = true;
    state.named ||= requested.length > 0;
    const added = applySotw(state.subscription, requested, !state.named && isComplete(kind));
    // That includes a type's first request, even if the client says it has this version: its last stream is gone.
    if (added.length > 0) this.respond(kind, added);
  }

  /** Every request has the names that are wanted. */
  protected override asksNothing(): boolean {
    return false;
  }

  protected override sendChanged(kind: ResourceKind, { changed, revised }: Push): void {
    const named = this.relevant(kind, changed);
    if (named.length > 0) this.respond(kind, named, revised);
  }

  protected override sendNamed(kind: ResourceKind, named: readonly string[]): void {
    if (named.length > 0) this.respond(kind, named);
  }

  /** @param named what made the response necessary: all that a partial response has to hold; `*`: everything */
  private respond(kind: ResourceKind, named: readonly string[], revised = true): void {
    const { wildcard } = this.types[kind].subscription;
    const everything = this.everything(kind);
    const complete = isComplete(kind);
    const whole = complete || named.includes('*');
    const resources = whole ? everything : named.flatMap((name) => this.get(kind, name) ?? []);
    // Names that do not exist (yet) have nothing to be sent; they are sent when they appear.
    if (resources.length === 0 && !whole) return;
    const version = wildcard
      ? this.source.snapshot.typeVersion(kind, this.node.namespace)
      : versionOfAll(everything);
    const { revision } = this.source.snapshot;
    // Endpoints that leave a cluster, in a response in which another cluster changes, end a process with grpc-js
    // ("endpoint found in leafWeightMap but not in leafMap").
    const apart = this.node.agent === 'grpc';
    const content = { kind, version, revision, revised, resources, complete, apart };
    for (const message of sotwResponses(content, this.source.nonces)) this.send(kind, message);
    this.owed = this.owedAfter(kind, named.includes('*') ? resources.map(({ name }) => name) : named);
  }

  private everything(kind: ResourceKind): readonly SnapshotResource[] {
    const { subscription } = this.types[kind];
    const named = [...subscription.explicitNames].flatMap((name) => this.get(kind, name) ?? []);
    if (!subscription.wildcard) return named;
    return [...new Set([...this.list(kind), ...named])];
  }
}

/** Responses of this kind hold everything that the client is subscribed to: what they leave out is gone. */
function isComplete(kind: ResourceKind): boolean {
  return kind === 'listener' || kind === 'cluster';
}
