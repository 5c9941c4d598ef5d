import type { Author } from '../../src/model/author.js';
import type { Grant } from '../../src/model/grant.js';
import type { MeshServiceInput, ServiceKey } from '../../src/model/mesh-service.js';

/** A document that was in force. */
export interface PastDocument {
  readonly document: MeshServiceInput;
  /** Revision at which it came into force. */
  readonly revision: number;
  /** The revision at which its rollout began; see the record of a service. */
  readonly rollout?: number;
  /** What was approved of what it claims; see the record of a service. */
  readonly grant?: Grant;
}

/**
 * One change. It has what was there before, which is what undoing it takes; what was there afterwards is what the
 * next change of the service has before it, or what is in force now.
 */
export interface HistoryEntry {
  readonly revision: number;
  /** ISO 8601. */
  readonly at: string;
  readonly action: string;
  readonly by: Author;
  /** As the caller named it. */
  readonly requestId?: string;
  /** Of every service whose document changed; null: there was none. */
  readonly before: readonly (readonly [ServiceKey, PastDocument | null])[];
}

/** The newest changes, oldest first. Immutable. Bounded by {@link MAX_ENTRIES} and {@link MAX_BYTES}. */
export interface History {
  readonly entries: readonly HistoryEntry[];
  /** Sizes of the entries as JSON, and their sum. */
  readonly sizes: readonly number[];
  readonly bytes: number;
}

/** Changes kept. */
export const MAX_ENTRIES = 1000;
/** Size as JSON up to which changes are kept; the newest one is kept whatever its size. */
export const MAX_BYTES = 16 * 1024 * 1024;

export const NO_HISTORY: History = { entries: [], sizes: [], bytes: 0 };

/** A history that was stored. */
export function historyOf(entries: readonly HistoryEntry[]): History {
  const sizes = entries.map(sizeOf);
  return bounded({ entries, sizes, bytes: sizes.reduce((sum, size) => sum + size, 0) });
}

/** Adds the newest entry; the oldest ones give way. */
export function withEntry({ entries, sizes, bytes }: History, entry: HistoryEntry): History {
  const size = sizeOf(entry);
  return bounded({ entries: [...entries, entry], sizes: [...sizes, size], bytes: bytes + size });
}

function bounded({ entries, sizes, bytes }: History): History {
  let first = Math.max(0, entries.length - MAX_ENTRIES);
  let left = sizes.slice(0, first).reduce((rest, size) => rest - size, bytes);
  while (left > MAX_BYTES && first < entries.length - 1) left -= sizes[first++] as number;
  return first === 0
    ? { entries, sizes, bytes }
    : { entries: entries.slice(first), sizes: sizes.slice(first), bytes: left };
}

function sizeOf(entry: HistoryEntry): number {
  return JSON.stringify(entry).length;
}

/** The revision that a request made; undefined where it made none, or that is too long ago. */
export function revisionOfRequest({ entries }: History, requestId: string): number | undefined {
  return entries.findLast((entry) => entry.requestId === requestId)?.revision;
}

/** What a change did to one service. */
export interface ServiceChange extends Omit<HistoryEntry, 'before'> {
  readonly key: ServiceKey;
  /** Null: there was no such service. */
  readonly before: PastDocument | null;
  /** Null: there was no such service any more. */
  readonly after: MeshServiceInput | null;
  readonly grantAfter: Grant | undefined;
}

/** As much of a state as tells its past. */
interface Present {
  readonly services: ReadonlyMap<ServiceKey, PastDocument>;
  readonly history: History;
}

/** What was done to the services, newest first. @param key of the only one that is asked about */
export function changesOf({ services, history }: Present, key?: ServiceKey): ServiceChange[] {
  const later = new Map<ServiceKey, PastDocument | null>();
  return [...history.entries].reverse().flatMap(({ before: all, ...entry }) =>
    all
      .filter(([service]) => key === undefined || service === key)
      .map(([service, before]) => {
        const known = later.get(service);
        const after = known === undefined ? services.get(service) : known;
        later.set(service, before);
        return { ...entry, key: service, before, after: after?.document ?? null, grantAfter: after?.grant };
      }),
  );
}

/** What was in force at a revision; undefined where there was none, or it is not kept any more. */
export function pastAt(present: Present, key: ServiceKey, revision: number): PastDocument | undefined {
  const later = changesOf(present, key).filter((change) => change.revision > revision);
  const last = later.at(-1);
  const found = last === undefined ? present.services.get(key) : last.before;
  return found && found.revision <= revision ? found : undefined;
}
