import type { ResourceKind } from '../../src/xds/resource-types.js';

/**
 * Clusters that a client was sent after it was sent their load assignments: a client that warms a cluster waits for
 * the assignment to come once more, changed or not. Never changed, so that clients that are owed the same share one.
 */
export class OwedAssignments {
  static readonly none = new OwedAssignments(new Set());
  private static count = 0;
  /** Tells it from every other one. */
  readonly id = OwedAssignments.count++;

  private constructor(readonly names: ReadonlySet<string>) {}

  /**
   * What is owed once these resources have been sent.
   *
   * @param hasAssignment whether there is a load assignment for a cluster
   */
  afterSending(
    kind: ResourceKind,
    names: readonly string[],
    hasAssignment: (cluster: string) => boolean,
  ): OwedAssignments {
    if (kind !== 'cluster' && kind !== 'endpoint') return this;
    const owed = new Set(this.names);
    let changed = false;
    for (const name of names) {
      if (kind === 'endpoint' || !hasAssignment(name)) changed = owed.delete(name) || changed;
      else {
        changed ||= !owed.has(name);
        owed.add(name);
      }
    }
    if (!changed) return this;
    return owed.size === 0 ? OwedAssignments.none : new OwedAssignments(owed);
  }
}
