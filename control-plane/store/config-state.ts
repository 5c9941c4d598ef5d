import type { MeshServiceInput, ServiceKey } from '../../src/model/mesh-service.js';

export interface FileSourceMark {
  readonly file: string;
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
  readonly source?: FileSourceMark;
  /**
   * The revision at which each release came into being. A release made anew under an old name is another
   * release, also where the whole service was gone in between, and this number tells them apart in pins.
   */
  readonly born: Readonly<Record<string, number>>;
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

export function applyChange(state: ConfigState, change: Change): ConfigState {
  const services = new Map(state.services);
  for (const key of change.deleted) services.delete(key);
  for (const [key, record] of change.put) services.set(key, record);
  return { ...state, revision: change.revision, services };
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
