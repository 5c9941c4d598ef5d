import type { Message } from '../../src/xds/descriptors.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { SnapshotResource } from '../snapshot/resource.js';
import type { ChangedNames } from '../snapshot/snapshot.js';
import { AdsStream } from './ads-stream.js';
import { encodeSotwBody } from './responses.js';
import { applySotw, type Subscription } from './subscription.js';

/**
 * A client of `StreamAggregatedResources`: responses of listeners and clusters are complete, what they leave out
 * is gone; those of routes and endpoints hold what changed.
 */
export class SotwStream extends AdsStream {
  override readonly protocol = 'sotw';

  protected override answer(kind: ResourceKind, request: Message, nonce: string): void {
    const state = this.types[kind];
    // A request that answers an older response than the newest speaks of a state that is over.
    if (nonce !== '' && nonce !== state.acks.newestNonce) return;
    const requested = (request.resourceNames ?? []) as readonly string[];
    const first = !state.requested;
    state.requested = true;
    state.named ||= requested.length > 0;
    const added = applySotw(
      state.subscription,
      requested,
      !state.named && (kind === 'listener' || kind === 'cluster'),
    );
    // A first request is answered even if the client says it has this version: the nonces of its last stream are gone.
    if (added.length > 0 || (first && isWanting(state.subscription))) this.respond(kind, added);
  }

  protected override sendAll(kind: ResourceKind): void {
    if (isWanting(this.types[kind].subscription)) this.respond(kind, ['*']);
  }

  protected override sendChanged(kind: ResourceKind, changed: ChangedNames): void {
    const { subscription } = this.types[kind];
    const covered = [...changed[kind]].filter((name) => subscription.covers(name));
    if (covered.length > 0) this.respond(kind, covered);
  }

  /** @param names what made the response necessary; all that a partial response has to hold */
  private respond(kind: ResourceKind, names: readonly string[]): void {
    const { snapshot } = this.source;
    const { namespace } = this.node;
    const { subscription } = this.types[kind];
    const complete = kind === 'listener' || kind === 'cluster' || names.includes('*');
    const resources = complete
      ? this.everythingOf(kind, subscription)
      : names.map((name) => snapshot.get(kind, name, namespace)).filter((r) => r !== undefined);
    // Names that do not exist (yet) have nothing to be sent; they are sent when they appear.
    if (resources.length === 0 && !complete) return;
    this.send(kind, encodeSotwBody(kind, snapshot.typeVersion(kind, namespace), resources));
  }

  private everythingOf(kind: ResourceKind, subscription: Subscription): readonly SnapshotResource[] {
    const { snapshot } = this.source;
    const { namespace } = this.node;
    if (subscription.wildcard) return snapshot.list(kind, namespace);
    return [...subscription.explicitNames]
      .map((name) => snapshot.get(kind, name, namespace))
      .filter((r) => r !== undefined);
  }
}

function isWanting({ wildcard, explicitNames }: Subscription): boolean {
  return wildcard || explicitNames.size > 0;
}
