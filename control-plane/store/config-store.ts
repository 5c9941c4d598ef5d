import { EventEmitter } from 'node:events';
import {
  type MeshService,
  parseMeshService,
  type ServiceKey,
  serviceKey,
} from '../../src/model/mesh-service.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { StoreBackend } from './backend.js';
import { type BackupContent, packBackup } from './backup.js';
import {
  applyChange,
  birthsOf,
  type Cause,
  type Change,
  type ConfigState,
  type FileSourceMark,
  type ServiceRecord,
} from './config-state.js';
import { digestOf } from './digest.js';
import { changesHosts, checkTogether, parseAll } from './edit-checks.js';
import { DeclaredInFileError, RevisionConflictError, UnknownServiceError } from './errors.js';
import { changesOf, type ServiceChange } from './history.js';
import { planRestore } from './restore.js';
import { documentToUndoTo } from './undo.js';

/** A service as it is in force. */
export interface ConfiguredService {
  readonly service: MeshService;
  readonly record: ServiceRecord;
}

/** The configuration in force at one revision. Immutable. */
export interface Configuration {
  readonly revision: number;
  readonly services: ReadonlyMap<ServiceKey, ConfiguredService>;
  readonly pinSecret: Buffer;
}

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

/**
 * The one place where configuration changes. Edits are made one at a time: checked as a whole, made durable,
 * then published. Emits `change` with the new configuration and the keys that differ.
 */
export class ConfigStore extends EventEmitter<{ change: [Configuration, ReadonlySet<ServiceKey>] }> {
  private tail: Promise<unknown> = Promise.resolve();
  private closed = false;
  private configuration: Configuration;

  private constructor(
    private readonly backend: StoreBackend,
    private state: ConfigState,
    private readonly rehearse: (service: MeshService) => void,
    log: Logger,
  ) {
    super();
    const services = new Map<ServiceKey, ConfiguredService>();
    for (const [key, record] of state.services) {
      try {
        const service = parseMeshService(record.document);
        rehearse(service);
        services.set(key, { service, record });
      } catch (error) {
        log.error({ service: key, err: error }, 'a stored service is not valid any more and is not served');
      }
    }
    this.configuration = { revision: state.revision, services, pinSecret: state.pinSecret };
  }

  /** @param rehearse does with a service what its users will do, and throws where that cannot be done */
  static async open(
    backend: StoreBackend,
    log: Logger,
    rehearse: (service: MeshService) => void = () => {},
  ): Promise<ConfigStore> {
    return new ConfigStore(backend, await backend.load(), rehearse, log);
  }

  get current(): Configuration {
    return this.configuration;
  }

  /** @throws RejectedError, RevisionConflictError, UnknownServiceError; or what the store's disk says. */
  edit(edit: Edit): Promise<Commit> {
    return this.exclusively(() => this.commit(edit));
  }

  /** Reads a document and edits it in one step, so that no other edit comes between. */
  modify(
    key: ServiceKey,
    expectedRevision: number | undefined,
    change: (document: MeshServiceInput) => MeshServiceInput,
    cause?: Cause,
  ): Promise<Commit> {
    return this.exclusively(() => {
      this.checkRevision(key, expectedRevision);
      const configured = this.configuration.services.get(key);
      if (configured === undefined) throw this.unknown(key);
      return this.commit({ documents: [change(configured.record.document)], ...(cause && { cause }) });
    });
  }

  /**
   * Puts a service back to what it was before its last change, or at a revision.
   *
   * @param to that revision; undefined: before the last change
   * @throws NothingToUndoError
   */
  undo(
    key: ServiceKey,
    to: number | undefined,
    expectedRevision: number | undefined,
    cause?: Cause,
  ): Promise<Commit> {
    return this.exclusively(() => {
      this.checkRevision(key, expectedRevision);
      const document = documentToUndoTo(this.state, key, to);
      return this.commit({ documents: [document], ...(cause && { cause }) });
    });
  }

  /** What was done to a service, or to all of them, newest first, as far back as it is kept. */
  history(key?: ServiceKey): ServiceChange[] {
    return changesOf(this.state, key);
  }

  /** Everything, as the file that {@link restore} takes. */
  backup(): Promise<Buffer> {
    return packBackup(this.state, new Date().toISOString());
  }

  /** Puts everything back to what a backup has, in one change. @throws RejectedError, DeclaredInFileError */
  restore(backup: BackupContent, dryRun: boolean, cause: Cause): Promise<Commit> {
    return this.exclusively(() => {
      const parsed = parseAll(backup.services.map(([, { document }]) => document));
      checkTogether(new Map(parsed.map((service) => [serviceKey(service), service])), parsed);
      for (const service of parsed) this.rehearse(service);
      const plan = planRestore(this.state, backup);
      if (plan === undefined) return this.nothingToDo();
      return this.store({ ...plan, at: new Date().toISOString(), ...cause }, dryRun);
    });
  }

  /** Takes a service out, unless a file declares it. */
  remove(key: ServiceKey, expectedRevision: number | undefined, cause?: Cause): Promise<Commit> {
    return this.exclusively(() => {
      this.checkRevision(key, expectedRevision);
      const file = this.state.services.get(key)?.source?.file;
      if (file !== undefined) throw new DeclaredInFileError(key, file);
      return this.commit({ deleted: [key], ...(cause && { cause }) });
    });
  }

  /** Finishes the edits under way; later ones are refused. */
  async close(): Promise<void> {
    this.closed = true;
    await this.tail;
    await this.backend.close();
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new Error('the control plane is shutting down'));
    const result = this.tail.then(work);
    this.tail = result.catch(() => {});
    return result;
  }

  private async commit(edit: Edit): Promise<Commit> {
    for (const [key, revision] of edit.expected ?? []) this.checkRevision(key, revision);
    const parsed = parseAll(edit.documents ?? []);
    const deleted = edit.deleted ?? [];
    for (const key of deleted) if (!this.state.services.has(key)) throw this.unknown(key);
    if (parsed.some((service) => changesHosts(this.serviceBefore(service), service)))
      checkTogether(this.meshAfter(parsed, deleted), parsed);
    for (const service of parsed) this.rehearse(service);
    const revision = this.state.revision + 1;
    const put = [
      ...this.movedRecords(edit),
      ...parsed.flatMap((service, i) => this.recordFor(service, edit, i, revision)),
    ];
    if (put.length === 0 && deleted.length === 0) return this.nothingToDo();
    const change: Change = { revision, at: new Date().toISOString(), put, deleted, ...edit.cause };
    return this.store(change, edit.dryRun === true);
  }

  private async nothingToDo(): Promise<Commit> {
    return { revision: this.state.revision, changed: new Set(), differences: [] };
  }

  private async store(change: Change, dryRun: boolean): Promise<Commit> {
    const differences = this.differencesOf(change);
    const changed = new Set(differences.map(({ key }) => key));
    if (dryRun) return { revision: this.state.revision, changed, differences };
    const state = applyChange(this.state, change);
    await this.backend.append(change, state);
    this.state = state;
    this.publish(change);
    return { revision: change.revision, changed, differences };
  }

  private differencesOf({ revision, put, deleted }: Change): Difference[] {
    const before = (key: ServiceKey) => this.state.services.get(key)?.document;
    const removed = deleted.map((key) => ({ key, before: before(key), after: undefined }));
    const changed = put
      .filter(([, record]) => record.revision === revision)
      .map(([key, { document }]) => ({ key, before: before(key), after: document }));
    return [...removed, ...changed].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  private serviceBefore(service: MeshService): MeshService | undefined {
    return this.configuration.services.get(serviceKey(service))?.service;
  }

  private meshAfter(
    edited: readonly MeshService[],
    deleted: readonly ServiceKey[],
  ): ReadonlyMap<ServiceKey, MeshService> {
    const mesh = new Map<ServiceKey, MeshService>();
    for (const [key, { service }] of this.configuration.services) mesh.set(key, service);
    for (const key of deleted) mesh.delete(key);
    for (const service of edited) mesh.set(serviceKey(service), service);
    return mesh;
  }

  private publish({ revision, put, deleted, restored }: Change): void {
    const services = new Map(this.configuration.services);
    for (const key of deleted) services.delete(key);
    for (const [key, record] of put)
      services.set(key, { service: parseMeshService(record.document), record });
    this.configuration = { revision, services, pinSecret: this.state.pinSecret };
    // Another secret is another meaning of every pin.
    const all = restored === undefined ? [] : services.keys();
    this.emit('change', this.configuration, new Set([...deleted, ...put.map(([key]) => key), ...all]));
  }

  /** @throws RevisionConflictError */
  private checkRevision(key: ServiceKey, expected: number | undefined): void {
    if (expected === undefined) return;
    const actual = this.state.services.get(key)?.revision ?? 0;
    if (actual === expected) return;
    const since = changesOf(this.state, key).filter(({ revision }) => revision > expected);
    throw new RevisionConflictError(key, expected, actual, since);
  }

  private unknown(key: ServiceKey): UnknownServiceError {
    return new UnknownServiceError(key, this.state.services.keys());
  }

  private movedRecords({ moved }: Edit): [ServiceKey, ServiceRecord][] {
    return [...(moved ?? [])].flatMap(([key, source]) => {
      const record = this.state.services.get(key);
      return record === undefined ? [] : [[key, { ...record, source }] as [ServiceKey, ServiceRecord]];
    });
  }

  /** The record to store, or none where the document says what is in force already. */
  private recordFor(
    service: MeshService,
    edit: Edit,
    index: number,
    revision: number,
  ): [ServiceKey, ServiceRecord][] {
    const key = serviceKey(service);
    const document = (edit.documents as readonly MeshServiceInput[])[index] as MeshServiceInput;
    const before = this.state.services.get(key);
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
}
