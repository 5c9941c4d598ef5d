import { type MeshService, type ServiceKey, serviceKey } from '../../src/model/mesh-service.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import {
  birthsOf,
  type Cause,
  type Change,
  type ConfigState,
  type FileSourceMark,
  type ServiceRecord,
} from './config-state.js';
import type { Configuration } from './configuration.js';
import { digestOf } from './digest.js';

/** One change to make: documents to put in force, services to take out. */
export interface Edit {
  readonly documents?: readonly MeshServiceInput[];
  readonly deleted?: readonly ServiceKey[];
  /** For each document, the file that declares it; absent: the edit came through the API. */
  readonly sources?: readonly FileSourceMark[];
  /** Services whose document has only moved to another file; what the API made of them stays. */
  readonly moved?: ReadonlyMap<ServiceKey, FileSourceMark>;
  /** Revision at which each service is expected; 0: that it does not exist. */
  readonly expected?: ReadonlyMap<ServiceKey, number>;
  /** Check everything, change nothing. */
  readonly dryRun?: boolean;
  /** For the history. */
  readonly cause?: Cause;
}

/** What a commit makes of one service. */
export interface Difference {
  readonly key: ServiceKey;
  /** None: the service is new. */
  readonly before: MeshServiceInput | undefined;
  /** None: the service is gone. */
  readonly after: MeshServiceInput | undefined;
}

/** What an edit came to. */
export interface Commit {
  /** The revision at which everything in the edit is in force: a new one only where something changed. */
  readonly revision: number;
  /** Services whose document it changed, or for a dry run would change. */
  readonly changed: ReadonlySet<ServiceKey>;
  /** What that changes, by key. */
  readonly differences: readonly Difference[];
}

type KeyedRecord = [ServiceKey, ServiceRecord];

/** The records that an edit puts in the place of others, at a revision; none where everything is that way already. */
export function newRecords(
  state: ConfigState,
  edit: Edit,
  parsed: readonly MeshService[],
  revision: number,
): KeyedRecord[] {
  const put = parsed.flatMap((service, i) => recordFor(state, service, edit, i, revision));
  return [...movedRecords(state, edit), ...put];
}

/** What a change does, by key. */
export function differencesOf(state: ConfigState, { revision, put, deleted }: Change): Difference[] {
  const before = (key: ServiceKey) => state.services.get(key)?.document;
  const removed = deleted.map((key) => ({ key, before: before(key), after: undefined }));
  const changed = put
    .filter(([, record]) => record.revision === revision)
    .map(([key, { document }]) => ({ key, before: before(key), after: document }));
  return [...removed, ...changed].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** All services as they would be. */
export function meshAfter(
  { services }: Configuration,
  edited: readonly MeshService[],
  deleted: readonly ServiceKey[],
): ReadonlyMap<ServiceKey, MeshService> {
  const mesh = new Map<ServiceKey, MeshService>();
  for (const [key, { service }] of services) mesh.set(key, service);
  for (const key of deleted) mesh.delete(key);
  for (const service of edited) mesh.set(serviceKey(service), service);
  return mesh;
}

function movedRecords({ services }: ConfigState, { moved }: Edit): KeyedRecord[] {
  return [...(moved ?? [])].flatMap(([key, source]) => {
    const record = services.get(key);
    return record === undefined ? [] : [[key, { ...record, source }] as KeyedRecord];
  });
}

/** The record to store, or none where the document says what is in force already. */
function recordFor(
  { services }: ConfigState,
  service: MeshService,
  edit: Edit,
  index: number,
  revision: number,
): KeyedRecord[] {
  const key = serviceKey(service);
  const document = (edit.documents as readonly MeshServiceInput[])[index] as MeshServiceInput;
  const before = services.get(key);
  const source = edit.sources?.[index] ?? before?.source;
  const same = before !== undefined && digestOf(before.document) === digestOf(document);
  if (same && source?.digest === before.source?.digest && source?.file === before.source?.file) return [];
  const releases = service.spec.versions.map(({ name }) => name);
  const record = {
    document,
    revision: same ? before.revision : revision,
    born: birthsOf(before, releases, revision),
  };
  return [[key, source === undefined ? record : { ...record, source }]];
}
