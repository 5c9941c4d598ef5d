import type { MessagePort } from 'node:worker_threads';
import type { EndpointConfig } from '../../src/xds/endpoint.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { HandedCounts, MadeCounts } from '../cluster/shared-counts.js';
import type { EndpointCondition } from '../cluster/upstream-endpoint.js';
import type { ReceivedResource } from '../discovery/response-entries.js';

/** Something that decides where requests go has changed. */
export type Change =
  /** A response of the control plane, without what was refused of it. */
  | {
      readonly what: 'resources';
      readonly kind: ResourceKind;
      readonly resources: readonly ReceivedResource[];
      readonly removed: readonly string[];
    }
  /** What a cluster's DNS names resolve to. */
  | { readonly what: 'names'; readonly cluster: string; readonly found: readonly EndpointConfig[] }
  /** Listeners that are not asked for any more. */
  | { readonly what: 'forgotten'; readonly listeners: readonly string[] }
  /** Route configurations that do not wait any longer for what they name. */
  | { readonly what: 'overdue'; readonly routes: readonly string[] }
  /** What sidecars of the mesh share. */
  | { readonly what: 'sidecar-key'; readonly key: Uint8Array }
  /** An endpoint has been ejected or readmitted, lost or reached, has said that it leaves, fails its checks or passes. */
  | {
      readonly what: 'condition';
      readonly cluster: string;
      readonly address: string;
      readonly condition: EndpointCondition;
    };

/** A change, with where that is counted which it has brought. */
export interface JournalEntry {
  readonly change: Change;
  /** Whether the main thread has had a whole configuration in force since. */
  readonly isReady: boolean;
  readonly counts: readonly HandedCounts[];
}

/** A journal's end at a reader. */
export interface JournalEnd {
  readonly port: MessagePort;
  /** One cell: how many entries are in force, as a number of 32 bits that wraps around. */
  readonly inForce: Int32Array;
}

/**
 * All that decides where requests go, as a sequence of changes: the main thread makes them, every other worker makes
 * them again. They come into force everywhere at the same time. The main thread makes a change, sends it to the others,
 * then counts it in memory that all share; a thread that decides looks at that number first, and where it has moved on, reads
 * and makes what it has not made yet ({@link JournalReader}). So no client that has seen a request decided by a change sees a
 * later one decided without it, whichever workers they come to.
 */
export class Journal {
  constructor(
    private readonly ports: readonly MessagePort[],
    private readonly inForce: Int32Array,
    private readonly counts: MadeCounts,
    private readonly isReady: () => boolean,
  ) {}

  /** @param change has been made in this thread, in the same turn of its event loop */
  write(change: Change): void {
    const entry: JournalEntry = { change, isReady: this.isReady(), counts: this.counts.take() };
    for (const port of this.ports) port.postMessage(entry);
    Atomics.add(this.inForce, 0, 1);
  }
}
