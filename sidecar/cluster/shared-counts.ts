import { type CellRange, CellSource } from '../shared-memory/cells.js';
import { type ClusterCounts, SharedClusterCounts } from './cluster-counts.js';
import type { CountsSource } from './counts-source.js';
import { type EndpointCounts, SharedEndpointCounts } from './endpoint-counts.js';

/** Where a cluster, or an endpoint of it, is counted. */
export interface HandedCounts {
  readonly cluster: string;
  /** Undefined: the cluster as a whole. */
  readonly address: string | undefined;
  readonly range: CellRange;
}

/** The main thread's: makes counts, and remembers where they are until the other workers have been told. */
export class MadeCounts implements CountsSource {
  private readonly source = new CellSource();
  private made: HandedCounts[] = [];

  forCluster(cluster: string): ClusterCounts {
    return new SharedClusterCounts(this.make(cluster, undefined));
  }

  forEndpoint(cluster: string, address: string): EndpointCounts {
    return new SharedEndpointCounts(this.make(cluster, address));
  }

  /** What has been made since the last time. */
  take(): readonly HandedCounts[] {
    const { made } = this;
    this.made = [];
    return made;
  }

  private make(cluster: string, address: string | undefined): CellRange {
    const range = this.source.next();
    this.made.push({ cluster, address, range });
    return range;
  }
}

/**
 * Another worker's: it makes the same clusters and endpoints of the same changes, each cluster and address as often as
 * the main thread and in the same order, and finds their counts here.
 */
export class FoundCounts implements CountsSource {
  private readonly waiting = new Map<string, CellRange[]>();

  add(handed: readonly HandedCounts[]): void {
    for (const { cluster, address, range } of handed) {
      const key = keyOf(cluster, address);
      const others = this.waiting.get(key);
      if (others === undefined) this.waiting.set(key, [range]);
      else others.push(range);
    }
  }

  forCluster(cluster: string): ClusterCounts {
    return new SharedClusterCounts(this.find(cluster, undefined));
  }

  forEndpoint(cluster: string, address: string): EndpointCounts {
    return new SharedEndpointCounts(this.find(cluster, address));
  }

  private find(cluster: string, address: string | undefined): CellRange {
    const key = keyOf(cluster, address);
    const ranges = this.waiting.get(key);
    const range = ranges?.shift();
    if (range === undefined)
      throw new Error(`the main thread has no counts for ${key.replace('\n', ' of ')}`);
    if (ranges?.length === 0) this.waiting.delete(key);
    return range;
  }
}

function keyOf(cluster: string, address: string | undefined): string {
  return address === undefined ? cluster : `${address}\n${cluster}`;
}
