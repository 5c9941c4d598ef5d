import { covers, type Grant, NO_GRANT, reachOf, sameGrant } from '../../src/model/grant.js';
import { type MeshService, type ServiceKey, serviceKey } from '../../src/model/mesh-service.js';
import { isRollingOut, rolloutAfter } from '../../src/model/rollout.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import {
  birthsOf,
  type Cause,
  type Change,
  type ConfigState,
  type ServiceRecord,
  type SourceMark,
} from './config-state.js';
import type { Configuration, ConfiguredService } from './configuration.js';
import { digestOf } from './digest.js';
import type { Draft } from './edit-checks.js';
import type { Editor, GrantMode } from './editor.js';
import type { DeclaredService } from './errors.js';
import { isDefault } from './source-mark.js';

/** One change to make: documents to put in force, services to take out. */
export interface Edit {
  readonly documents?: readonly MeshServiceInput[];
  readonly deleted?: readonly ServiceKey[];
  /** For each document, the file that declares it; absent: the edit came through the API. */
  readonly sources?: readonly SourceMark[];
  /** Refuse to change what a file declares: the file would change it back one day. */
  readonly heedsFiles?: boolean;
  /** Services whose document has only moved to another file; what the API made of them stays. */
  readonly moved?: ReadonlyMap<ServiceKey, SourceMark>;
  /** Revision at which each service is expected; 0: that it does not exist. */
  readonly expected?: ReadonlyMap<ServiceKey, number>;
  /** Check everything, change nothing. */
  readonly dryRun?: boolean;
  /** Absent: callers need no credentials. */
  readonly as?: Editor | undefined;
  /** `as-editor` where it is not said. */
  readonly grantMode?: GrantMode;
  /** What an editor who grants approves; absent: everything that a document claims. */
  readonly granted?: Grant;
  /** When the rollout that the edit brings back began; absent: it begins one, or goes on with the present one. */
  readonly rollout?: number;
  /** For the history. */
  readonly cause?: Cause;
}

/** Who makes an edit, and how. */
export type EditContext = Pick<Edit, 'cause' | 'as' | 'heedsFiles'>;

/** What a commit makes of one service. */
export interface Difference {
  readonly key: ServiceKey;
  /** None: the service is new. */
  readonly before: MeshServiceInput | undefined;
  /** None: the service is gone. */
  readonly after: MeshServiceInput | undefined;
  readonly grantBefore?: Grant | undefined;
  readonly grantAfter?: Grant | undefined;
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
  drafts: readonly Draft[],
  revision: number,
): KeyedRecord[] {
  const put = drafts.flatMap((draft, i) => recordFor(state, draft, edit, i, revision));
  return [...movedRecords(state, edit), ...put];
}

/** Of the services that a change leaves otherwise than it found them, those that a file declares. */
export function declaredInFiles({ services }: ConfigState, put: readonly KeyedRecord[]): DeclaredService[] {
  return put.flatMap(([key, { revision }]) => {
    const before = services.get(key);
    if (before?.source === undefined || isDefault(before.source) || before.revision === revision) return [];
    return [{ key, file: before.source.file }];
  });
}

/** What a change does, by key. */
export function differencesOf(state: ConfigState, { revision, put, deleted }: Change): Difference[] {
  const before = (key: ServiceKey) => {
    const record = state.services.get(key);
    return { before: record?.document, grantBefore: record?.grant };
  };
  const removed = deleted.map((key) => ({ key, ...before(key), after: undefined }));
  const changed = put
    .filter(([, record]) => record.revision === revision)
    .map(([key, { document, grant }]) => ({ key, ...before(key), after: document, grantAfter: grant }));
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
  draft: Draft,
  edit: Edit,
  index: number,
  revision: number,
): KeyedRecord[] {
  const { service, grant } = draft;
  const key = serviceKey(service);
  const document = (edit.documents as readonly MeshServiceInput[])[index] as MeshServiceInput;
  const before = services.get(key);
  const source = edit.sources?.[index] ?? (isDefault(before?.source) ? undefined : before?.source);
  const same =
    before !== undefined &&
    digestOf(before.document) === digestOf(document) &&
    sameGrant(before.grant, grant);
  if (same && source?.digest === before.source?.digest && source?.file === before.source?.file) return [];
  const releases = service.spec.versions.map(({ name }) => name);
  const rollout = rolloutOf(draft, before, edit, revision);
  const record = {
    document,
    revision: same ? before.revision : revision,
    born: birthsOf(before, releases, revision),
    ...(rollout !== undefined && { rollout }),
    ...(grant && { grant }),
  };
  return [[key, source === undefined ? record : { ...record, source }]];
}

function rolloutOf(
  { service, before }: Draft,
  record: ServiceRecord | undefined,
  edit: Edit,
  revision: number,
): number | undefined {
  if (edit.rollout !== undefined && isRollingOut(service.spec)) return edit.rollout;
  return rolloutAfter(record && { service: before, rollout: record.rollout }, service, revision);
}

/** What is approved of a document's claims once it is in force. */
export function grantAfter(
  service: MeshService,
  before: ConfiguredService | undefined,
  { as, grantMode = 'as-editor', granted }: Edit,
): Grant | undefined {
  if (grantMode === 'none') return NO_GRANT;
  if (grantMode === 'as-editor' && as === undefined) return undefined;
  if (grantMode === 'as-editor' && as?.grants) return granted ?? reachOf(service.spec);
  if (before === undefined) return as && NO_GRANT;
  const { grant } = before.record;
  if (grant !== undefined || as === undefined) return grant;
  // What is approved by having been there is written down before an editor adds to it.
  const approved = reachOf(before.service.spec);
  return covers(approved, reachOf(service.spec)) ? undefined : { ...approved, unconfirmed: true };
}
