import { deepEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { Interests } from '../../../../control-plane/ads/interests.js';
import { NameSets } from '../../../../control-plane/ads/name-set.js';
import { Subscription } from '../../../../control-plane/ads/subscription.js';
import { type ChangedNames, noChanges } from '../../../../control-plane/snapshot/changed-names.js';
import { PUSH_ORDER, type ResourceKind } from '../../../../src/xds/resource-types.js';

const CLIENTS = [0, 1, 2, 3];
const NAMES = ['a', 'b', 'c', 'outbound'];

/** Subscriptions of some clients, in the index and beside it. */
class Mesh {
  readonly interests = new Interests<number>();
  private readonly sets = new NameSets();
  private readonly subscriptions = new Map<string, Subscription>();

  change(client: number, kind: ResourceKind, add: readonly string[], drop: readonly string[]): void {
    const subscription = this.of(client, kind) ?? new Subscription(this.sets);
    subscription.change(add, drop);
    this.subscriptions.set(`${client} ${kind}`, subscription);
    this.interests.put(client, kind, subscription);
  }

  leave(client: number): void {
    for (const kind of PUSH_ORDER) this.subscriptions.delete(`${client} ${kind}`);
    this.interests.drop(client);
  }

  /** Found by asking every client. */
  concernedBy(changed: ChangedNames): number[] {
    return CLIENTS.filter((client) =>
      PUSH_ORDER.some((kind) => {
        const subscription = this.of(client, kind);
        if (subscription === undefined) return false;
        if ([...changed[kind]].some((name) => subscription.covers(name))) return true;
        return [...changed.alias].some(
          (name) =>
            subscription.explicitNames.has(name) && kind === (name === 'outbound' ? 'route' : 'listener'),
        );
      }),
    );
  }

  private of(client: number, kind: ResourceKind): Subscription | undefined {
    return this.subscriptions.get(`${client} ${kind}`);
  }
}

t.test('finds the clients that every subscription, asked one by one, finds', async () => {
  const client = fc.constantFrom(...CLIENTS);
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        client,
        kind: fc.constantFrom(...PUSH_ORDER),
        add: fc.subarray([...NAMES, '*']),
        drop: fc.subarray([...NAMES, '*']),
      }),
    },
    { weight: 1, arbitrary: fc.record({ leave: client }) },
  );
  const names = fc.subarray(NAMES, { maxLength: 1 });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.array(fc.tuple(fc.constantFrom(...PUSH_ORDER, 'alias' as const), names), {
        minLength: 4,
        maxLength: 4,
      }),
      (steps, changes) => {
        const mesh = new Mesh();
        for (const each of steps) {
          if ('leave' in each) mesh.leave(each.leave);
          else mesh.change(each.client, each.kind, each.add, each.drop);
          for (const [kind, names] of changes) {
            const changed = { ...noChanges(), [kind]: new Set(names) };
            deepEqual([...mesh.interests.concernedBy(changed)].sort(), mesh.concernedBy(changed));
          }
        }
        for (const each of CLIENTS) mesh.leave(each);
        const everything = Object.fromEntries([...PUSH_ORDER, 'alias'].map((kind) => [kind, new Set(NAMES)]));
        deepEqual([...mesh.interests.concernedBy(everything as unknown as ChangedNames)], []);
      },
    ),
    { numRuns: 500 },
  );
});
