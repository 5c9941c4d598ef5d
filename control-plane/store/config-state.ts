import { type Author, NOBODY } from '../../src/model/author.js';
import type { Grant } from '../../src/model/grant.js';
import type { MeshServiceInput, ServiceKey } from '../../src/model/mesh-service.js';
import {
  type History,
  type HistoryEntry,
  historyOf,
  NO_HISTORY,
  type PastDocument,
  withEntry,
} from './history.js';

/** Which document of a source declares a service. */
export interface SourceMark {
  /** Where the document is, as people look for it: a path, or `kubernetes:shop/checkout`. */
  readonly file: string;
  /** Of the document as the source last gave it. */
  readonly digest: string;
}

/** One service as it is stored: what the user wrote, and what the control plane knows about it. */
export interface ServiceRecord {
  readonly document: MeshServiceInput;
  /** Revision of the configuration at which the document last changed. */
  readonly revision: number;
  /**
   * The file that declares the service, if one does, with the digest of the document as the file last gave it:
   * a file whose digest is unchanged has nothing new to say, and what the API changed since stays.
   */
  readonly source?: SourceMark;
  /**
   * The revision at which each release came into being. A release made again under an old name is another
   * release, also where the whole service was gone in between, and this number tells them apart in pins.
   */
  readonly born: Readonly<Record<string, number>>;
  /**
   * The revision at which the rollout that is under way began: what `salt: auto` draws its sample by. Absent: no route
   * splits, or the rollout began before this was stored.
   */
  readonly rollout?: number;
  /**
   * What is approved of what the document claims. Absent: everything; it was put in force where callers need no
   * credentials, or before grants were kept.
   */
  readonly grant?: Grant;
}

/** The whole configuration at one revision. Immutable. */
export interface ConfigState {
  /** Counts commits; 0: nothing was ever committed. */
  readonly revision: number;
  readonly services: ReadonlyMap<ServiceKey, ServiceRecord>;
  /** Keys the digests in pins; made once. */
  readonly pinSecret: Buffer;
  /** Who changed what, as far back as it is kept. */
  readonly history: History;
}

/** Who makes a change, and by what: for the history. */
export interface Cause {
  /** `split`, `promote v2`: as an operator would type it; `files`: the configuration files say so. */
  readonly action: string;
  readonly by: Author;
  /** The caller's own name for the request, so that it can be made again without being done twice. */
  readonly requestId?: string;
}

/** One commit: everything in it takes effect together or not at all. */
export interface Change extends Partial<Cause> {
  readonly revision: number;
  /** ISO 8601. */
  readonly at: string;
  readonly put: readonly (readonly [ServiceKey, ServiceRecord])[];
  readonly deleted: readonly ServiceKey[];
  /** Set where a backup took the place of everything. */
  readonly restored?: Restored;
}

/** What a backup brings besides services. */
export interface Restored {
  /** Base64. */
  readonly pinSecret: string;
  /** Set where there was no history, and the backup's goes on. */
  readonly history?: readonly HistoryEntry[];
}

export function emptyState(pinSecret: Buffer): ConfigState {
  return { revision: 0, services: new Map(), pinSecret, history: NO_HISTORY };
}

export function applyChange(state: ConfigState, change: Change): ConfigState {
  const services = new Map(state.services);
  for (const key of change.deleted) services.delete(key);
  for (const [key, record] of change.put) services.set(key, record);
  const { revision, restored } = change;
  const pinSecret = restored === undefined ? state.pinSecret : Buffer.from(restored.pinSecret, 'base64');
  return { revision, services, pinSecret, history: historyAfter(state, change) };
}

function historyAfter({ services, history }: ConfigState, change: Change): History {
  const { revision, at, action, by, put, deleted, restored, requestId } = change;
  // A history that comes with a backup ends at what the backup puts in force.
  const records = restored?.history === undefined ? services : new Map(put);
  const changed = put.filter(([, record]) => record.revision === revision).map(([key]) => key);
  const before = [...deleted, ...changed].map((key) => {
    const record = records.get(key);
    return [key, record === undefined ? null : pastOf(record)] as const;
  });
  const base = restored?.history === undefined ? history : historyOf(restored.history);
  if (before.length === 0) return base;
  const request = requestId === undefined ? {} : { requestId };
  return withEntry(base, { revision, at, action: action ?? '', by: by ?? NOBODY, ...request, before });
}

function pastOf({ document, revision, rollout, grant }: ServiceRecord): PastDocument {
  return { document, revision, ...(rollout !== undefined && { rollout }), ...(grant && { grant }) };
}

/** When each of a service's releases came into being, given what its record says so far. */
export function birthsOf(
  before: ServiceRecord | undefined,
  releases: readonly string[],
  revision: number,
): Record<string, number> {
  return Object.fromEntries(releases.map((name) => [name, before?.born[name] ?? revision]));
}

/** Tells a release from an earlier or later one of the same name. */
export function incarnationOf({ born }: ServiceRecord, release: string): string {
  return String(born[release] ?? '');
}
