import type { MeshServiceInput, ServiceKey } from '../../src/model/mesh-service.js';

export interface FileSourceMark {
  readonly file: string;
  readonly digest: string;
}

/** One service as it is stored: what the user wrote, and what the control plane knows about it. */
export interface ServiceRecord {
  readonly document: MeshServiceInput;
  /** Revision of the configuration at which this record last changed. */
  readonly revision: number;
  /**
   * The file that declares the service, if one does, with the digest of the document as the file last gave it:
   * a file whose digest is unchanged has nothing new to say, and what the API changed since stays.
   */
  readonly source?: FileSourceMark;
  /**
   * How often each release name has been removed from the service. A release made anew under an old name is
   * another release, and this number tells them apart in pins.
   */
  readonly removals: Readonly<Record<string, number>>;
}

/** The whole configuration at one revision. Immutable. */
export interface ConfigState {
  /** Counts commits; 0: nothing was ever committed. */
  readonly revision: number;
  readonly services: ReadonlyMap<ServiceKey, ServiceRecord>;
  /** Keys the digests in pins; made once. */
  readonly pinSecret: Buffer;
}

/** One commit: everything in it takes effect together or not at all. */
export interface Change {
  readonly revision: number;
  /** ISO 8601. */
  readonly at: string;
  readonly put: readonly (readonly [ServiceKey, ServiceRecord])[];
  readonly deleted: readonly ServiceKey[];
}

/** Most removed release names remembered for one service; the oldest are forgotten first. */
const MAX_REMOVED_NAMES = 200;

export function applyChange(state: ConfigState, change: Change): ConfigState {
  const services = new Map(state.services);
  for (const key of change.deleted) services.delete(key);
  for (const [key, record] of change.put) services.set(key, record);
  return { ...state, revision: change.revision, services };
}

/** The removal counts that follow when a service's releases change from `before` to `after`. */
export function countRemovals(
  removals: Readonly<Record<string, number>>,
  before: readonly string[],
  after: readonly string[],
): Record<string, number> {
  const gone = before.filter((name) => !after.includes(name));
  const counted = { ...removals };
  for (const name of gone) counted[name] = (counted[name] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counted).slice(-MAX_REMOVED_NAMES));
}
