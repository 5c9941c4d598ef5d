import type { Message } from '../../src/xds/descriptors.js';
import { message, messages, text } from '../../src/xds/fields.js';
import { PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import type { NameChanges } from '../../src/xds/wanted-names.js';
import { AdsClient, perKind, type ReceivedResource } from './ads-client.js';

interface TypeState {
  readonly names: Set<string>;
  /** What we hold, to tell the server after a reconnection. */
  readonly versions: Map<string, string>;
  /** A request of this type has gone out on the present stream. */
  requested: boolean;
}

/**
 * Delta ADS (xDS protocol, "Incremental xDS"): after a reconnection the server is told what is still held, so that
 * nothing unchanged is sent again.
 */
export class DeltaClient extends AdsClient {
  protected override readonly method = 'DeltaAggregatedResources';
  private readonly types = perKind<TypeState>(() => ({
    names: new Set(),
    versions: new Map(),
    requested: false,
  }));

  override subscribe(kind: ResourceKind, changes: NameChanges): void {
    const state = this.types[kind];
    const added = changes.added.filter((name) => !state.names.has(name));
    const dropped = changes.dropped.filter((name) => state.names.has(name));
    if (added.length === 0 && dropped.length === 0) return;
    for (const name of added) state.names.add(name);
    for (const name of dropped) {
      state.names.delete(name);
      state.versions.delete(name);
    }
    this.status.wanted(kind, { added, dropped });
    if (!this.isOpen) return;
    if (state.requested)
      this.send(kind, { resourceNamesSubscribe: added, resourceNamesUnsubscribe: dropped });
    else this.sendFirst(kind);
  }

  protected override hold(kind: ResourceKind, resources: readonly ReceivedResource[]): void {
    for (const { name, version } of resources) this.types[kind].versions.set(name, version);
  }

  protected override onOpened(): void {
    for (const kind of PUSH_ORDER) {
      this.types[kind].requested = false;
      if (this.types[kind].names.size > 0) this.sendFirst(kind);
    }
  }

  protected override receive(kind: ResourceKind, response: Message): void {
    const resources = messages(response.resources).map(toReceived);
    const removed = (response.removedResources as string[] | undefined) ?? [];
    const version = text(response.systemVersionInfo);
    this.revision = /^\d{1,15}$/.test(version) ? Number(version) : undefined;
    const answer = this.consume(kind, resources, removed);
    const { versions } = this.types[kind];
    for (const { name, version } of resources) versions.set(name, version);
    for (const name of removed) versions.delete(name);
    this.send(kind, { responseNonce: text(response.nonce), ...answer });
  }

  private sendFirst(kind: ResourceKind): void {
    const state = this.types[kind];
    state.requested = true;
    this.send(kind, {
      resourceNamesSubscribe: [...state.names],
      initialResourceVersions: Object.fromEntries(state.versions),
    });
  }
}

function toReceived(raw: Message): ReceivedResource {
  const any = message(raw.resource) ?? {};
  return {
    name: text(raw.name),
    version: text(raw.version),
    bytes: (any.value as Uint8Array | undefined) ?? new Uint8Array(),
  };
}
