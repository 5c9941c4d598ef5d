import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { ResourceConsumer } from '../discovery/ads-client.js';
import type { ReceivedResource, RefusedResource } from '../discovery/response-entries.js';
import type { Journal } from './journal.js';

/** A consumer whose other workers take what it takes: the control plane is not told before all of them have it. */
export class JournaledConsumer implements ResourceConsumer {
  /** @param isWanted what is not is passed over by the consumer */
  constructor(
    private readonly consumer: ResourceConsumer,
    private readonly isWanted: (listener: string) => boolean,
    private readonly journal: Journal,
  ) {}

  onResources(
    kind: ResourceKind,
    resources: readonly ReceivedResource[],
    removed: readonly string[],
  ): readonly RefusedResource[] {
    const refused = this.consumer.onResources(kind, resources, removed);
    const bad = new Set(refused.map(({ name }) => name));
    const accepted = resources.filter(
      ({ name }) => !bad.has(name) && (kind !== 'listener' || this.isWanted(name)),
    );
    this.journal.write({ what: 'resources', kind, resources: accepted, removed });
    return refused;
  }

  onConnected(connected: boolean): void {
    this.consumer.onConnected(connected);
  }
}
