import type { Message } from '../../src/xds/descriptors.js';
import { messages, text } from '../../src/xds/fields.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { AdsClient, perKind } from './ads-client.js';
import { readWrapper } from './response-entries.js';

/**
 * Delta ADS (xDS protocol, "Incremental xDS"): after a reconnection the server is told what is still held, so that
 * nothing unchanged is sent again.
 */
export class DeltaClient extends AdsClient {
  protected override readonly method = 'DeltaAggregatedResources';
  /** A request of the type has gone out on the present stream. */
  private readonly types = perKind(() => ({ requested: false }));

  protected override onOpened(kind: ResourceKind): void {
    this.types[kind].requested = false;
    if (this.held[kind].wanted.size > 0) this.sendFirst(kind);
  }

  protected override onNames(
    kind: ResourceKind,
    resourceNamesSubscribe: readonly string[],
    resourceNamesUnsubscribe: readonly string[],
  ): void {
    if (this.types[kind].requested) this.send(kind, { resourceNamesSubscribe, resourceNamesUnsubscribe });
    else this.sendFirst(kind);
  }

  protected override receive(kind: ResourceKind, response: Message): void {
    const removed = (response.removedResources as string[] | undefined) ?? [];
    const version = text(response.systemVersionInfo);
    this.revision = /^\d{1,15}$/.test(version) ? Number(version) : undefined;
    if (this.revision !== undefined) this.guard.saw(this.revision);
    const answer = this.consume(kind, messages(response.resources).map(readWrapper), removed);
    this.send(kind, { responseNonce: text(response.nonce), ...answer });
  }

  private sendFirst(kind: ResourceKind): void {
    const { wanted, versions } = this.held[kind];
    this.types[kind].requested = true;
    this.send(kind, {
      resourceNamesSubscribe: [...wanted],
      initialResourceVersions: Object.fromEntries(versions),
    });
  }
}
