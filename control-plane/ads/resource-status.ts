import type { RejectionMessage } from '../../src/api/config-service.js';
import { PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import type { SnapshotResource } from '../snapshot/resource.js';
import type { AdsSource } from './ads-source.js';
import type { AdsStream, TypeState } from './ads-stream.js';

/**
 * How far a client is with one resource. `missing`: it asked for a name that does not exist; `not-sent`: what there
 * is now has not gone out yet; `unanswered`: it has, and the client has not said anything to it.
 */
export type ResourceProgress = 'in-sync' | 'not-sent' | 'unanswered' | 'rejected' | 'missing';

export interface ResourceStatus {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly progress: ResourceProgress;
  /** As it is served now; undefined where it is missing. */
  readonly resource: SnapshotResource | undefined;
}

/** Every resource that a client has asked for, and how far it is with each. */
export function resourceStatuses(stream: AdsStream, { snapshot, changes }: AdsSource): ResourceStatus[] {
  const { namespace } = stream.node;
  const missed = stream.sequence === snapshot.sequence ? undefined : changes.since(stream.sequence);
  return PUSH_ORDER.flatMap((kind) => {
    const state = stream.typeState(kind);
    if (!state.requested) return [];
    const { wildcard, explicitNames } = state.subscription;
    const covered = wildcard ? snapshot.list(kind, namespace).map(({ name }) => name) : [];
    return [...new Set([...covered, ...explicitNames])].map((name) => {
      const resource = snapshot.get(kind, name, namespace);
      const isSent = !(missed?.[kind].has(name) || missed?.alias.has(name));
      return { kind, name, resource, progress: progressOf(state, name, isSent, resource !== undefined) };
    });
  });
}

function progressOf({ acks }: TypeState, name: string, isSent: boolean, exists: boolean): ResourceProgress {
  if (!isSent) return 'not-sent';
  if (acks.isUnanswered(name)) return 'unanswered';
  if (acks.isRejected(name)) return 'rejected';
  return exists ? 'in-sync' : 'missing';
}

/** What a client has refused and still runs in an older form. */
export function rejectionsOf(stream: AdsStream): RejectionMessage[] {
  if (!stream.hasRejection) return [];
  return PUSH_ORDER.flatMap((type) => {
    const { rejection } = stream.typeState(type).acks;
    return rejection
      ? [{ client: stream.node.id, type, reason: rejection.message, revision: rejection.revision }]
      : [];
  });
}
