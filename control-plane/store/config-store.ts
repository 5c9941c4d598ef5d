import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { type HostConflict, hostConflicts } from '../../src/model/mesh.js';
import {
  type MeshService,
  parseMeshService,
  type ServiceKey,
  serviceKey,
} from '../../src/model/mesh-service.js';
import { InvalidResourceError, type Problem } from '../../src/model/problems.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { StoreBackend } from './backend.js';
import {
  applyChange,
  type Change,
  type ConfigState,
  countRemovals,
  type FileSourceMark,
  type ServiceRecord,
} from './config-state.js';

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

/** A service that a file declares cannot be deleted through the API: the file would bring it back. */
export class DeclaredInFileError extends Error {
  constructor(key: ServiceKey, file: string) {
    super(`${key} is declared in ${file}; take it out there`);
    this.name = 'DeclaredInFileError';
  }
}

/** Some resources of a set are wrong; nothing of the set was applied. */
export class RejectedError extends Error {
  /** @param problems by the index of the document in the set */
  constructor(readonly problems: ReadonlyMap<number, readonly Problem[]>) {
    super('the configuration was rejected');
    this.name = 'RejectedError';
  }
}

/** Somebody else changed the service first. */
export class RevisionConflictError extends Error {
  constructor(key: ServiceKey, expected: number, actual: number) {
    const now = actual === 0 ? 'it does not exist' : `it is at revision ${actual}`;
    super(`${key} was expected at revision ${expected}, but ${now}; look at it and try again`);
    this.name = 'RevisionConflictError';
  }
}

export class UnknownServiceError extends Error {
  constructor(readonly key: ServiceKey) {
    super(`no service ${key} is configured`);
    this.name = 'UnknownServiceError';
  }
}

/** One change to make: documents to put in force, services to take out. */
export interface Edit {
  readonly documents?: readonly MeshServiceInput[];
  readonly deleted?: readonly ServiceKey[];
  /** For each document, the file that declares it; absent: the edit came through the API. */
  readonly sources?: readonly FileSourceMark[];
  /** Revision at which each service is expected; 0: that it does not exist. */
  readonly expected?: ReadonlyMap<ServiceKey, number>;
  /** Check everything, change nothing. */
  readonly dryRun?: boolean;
}

/**
 * The one place where configuration changes. Edits are made one at a time: checked as a whole, made durable,
 * then published. Emits `change` with the new configuration and the keys that differ.
 */
export class ConfigStore extends EventEmitter<{ change: [Configuration, ReadonlySet<ServiceKey>] }> {
  private tail: Promise<unknown> = Promise.resolve();
  private configuration: Configuration;

  private constructor(
    private readonly backend: StoreBackend,
    private state: ConfigState,
    log: Logger,
  ) {
    super();
    const services = new Map<ServiceKey, ConfiguredService>();
    for (const [key, record] of state.services) {
      try {
        services.set(key, { service: parseMeshService(record.document), record });
      } catch (error) {
        log.error({ service: key, err: error }, 'a stored service is not valid any more and is not served');
      }
    }
    this.configuration = { revision: state.revision, services, pinSecret: state.pinSecret };
  }

  static async open(backend: StoreBackend, log: Logger): Promise<ConfigStore> {
    return new ConfigStore(backend, await backend.load(), log);
  }

  get current(): Configuration {
    return this.configuration;
  }

  /**
   * Makes an edit.
   *
   * @returns the revision at which everything in the edit is in force: a new one only where something changed.
   * @throws RejectedError, RevisionConflictError, UnknownServiceError; or what the store's disk says.
   */
  edit(edit: Edit): Promise<number> {
    return this.exclusively(() => this.commit(edit));
  }

  /** Reads a document and edits it in one step, so that no other edit comes between. */
  modify(
    key: ServiceKey,
    expectedRevision: number | undefined,
    change: (document: MeshServiceInput) => MeshServiceInput,
  ): Promise<number> {
    return this.exclusively(() => {
      const configured = this.configuration.services.get(key);
      if (configured === undefined) throw new UnknownServiceError(key);
      const expected = expectedRevision === undefined ? new Map() : new Map([[key, expectedRevision]]);
      return this.commit({ documents: [change(configured.record.document)], expected });
    });
  }

  /** Takes a service out, unless a file declares it. */
  remove(key: ServiceKey, expectedRevision: number | undefined): Promise<number> {
    return this.exclusively(() => {
      const file = this.state.services.get(key)?.source?.file;
      if (file !== undefined) throw new DeclaredInFileError(key, file);
      const expected = expectedRevision === undefined ? new Map() : new Map([[key, expectedRevision]]);
      return this.commit({ deleted: [key], expected });
    });
  }

  async close(): Promise<void> {
    await this.tail;
    await this.backend.close();
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.tail.then(work);
    this.tail = result.catch(() => {});
    return result;
  }

  private async commit(edit: Edit): Promise<number> {
    this.checkRevisions(edit.expected ?? new Map());
    const parsed = parseAll(edit.documents ?? []);
    const deleted = (edit.deleted ?? []).filter((key) => this.requireKnown(key));
    checkTogether(this.configuration, parsed, deleted);
    const revision = this.state.revision + 1;
    const put = parsed.flatMap((service, i) => this.recordFor(service, edit, i, revision));
    if (edit.dryRun || (put.length === 0 && deleted.length === 0)) return this.state.revision;
    const change: Change = { revision, at: new Date().toISOString(), put, deleted };
    const state = applyChange(this.state, change);
    await this.backend.append(change, state);
    this.state = state;
    this.publish(change);
    return revision;
  }

  private publish({ revision, put, deleted }: Change): void {
    const services = new Map(this.configuration.services);
    for (const key of deleted) services.delete(key);
    for (const [key, record] of put)
      services.set(key, { service: parseMeshService(record.document), record });
    this.configuration = { ...this.configuration, revision, services };
    this.emit('change', this.configuration, new Set([...deleted, ...put.map(([key]) => key)]));
  }

  /** @throws RevisionConflictError */
  private checkRevisions(expected: ReadonlyMap<ServiceKey, number>): void {
    for (const [key, revision] of expected) {
      const actual = this.state.services.get(key)?.revision ?? 0;
      if (actual !== revision) throw new RevisionConflictError(key, revision, actual);
    }
  }

  private requireKnown(key: ServiceKey): boolean {
    if (!this.state.services.has(key)) throw new UnknownServiceError(key);
    return true;
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
    const names = (spec: { versions: readonly { name: string }[] }) => spec.versions.map(({ name }) => name);
    const removals = countRemovals(
      before?.removals ?? {},
      before ? names(before.document.spec) : [],
      names(service.spec),
    );
    const record = { document, revision: same ? before.revision : revision, removals };
    return [[key, source === undefined ? record : { ...record, source }]];
  }
}

export function digestOf(document: MeshServiceInput): string {
  return createHash('sha256').update(JSON.stringify(document)).digest('base64url');
}

/** Tells a release from a later one of the same name; empty for the first. */
export function incarnationOf({ removals }: ServiceRecord, release: string): string {
  const count = removals[release] ?? 0;
  return count === 0 ? '' : String(count);
}

/** Parses one untrusted document. @throws RejectedError */
export function parseDocument(document: unknown): MeshService {
  return parseAll([document])[0] as MeshService;
}

/** @throws RejectedError with the problems of every document */
function parseAll(documents: readonly unknown[]): MeshService[] {
  const problems = new Map<number, readonly Problem[]>();
  const services: MeshService[] = [];
  const seen = new Map<ServiceKey, number>();
  documents.forEach((document, i) => {
    try {
      const service = parseMeshService(document);
      const key = serviceKey(service);
      if (seen.has(key)) {
        problems.set(i, [
          { path: ['metadata', 'name'], message: `${key} is there twice; a service is one document` },
        ]);
      }
      seen.set(key, i);
      services.push(service);
    } catch (error) {
      if (!(error instanceof InvalidResourceError)) throw error;
      problems.set(i, error.problems);
    }
  });
  if (problems.size > 0) throw new RejectedError(problems);
  return services;
}

/** @throws RejectedError where the edit would leave two services with one host */
function checkTogether(
  configuration: Configuration,
  edited: readonly MeshService[],
  deleted: readonly ServiceKey[],
): void {
  const mesh = new Map<ServiceKey, MeshService>();
  for (const [key, { service }] of configuration.services) mesh.set(key, service);
  for (const key of deleted) mesh.delete(key);
  for (const service of edited) mesh.set(serviceKey(service), service);
  const conflicts = hostConflicts(mesh);
  const problems = new Map<number, readonly Problem[]>();
  edited.forEach((service, i) => {
    const key = serviceKey(service);
    const found = conflicts.filter((conflict) => conflict.key === key || conflict.owner === key);
    if (found.length > 0)
      problems.set(
        i,
        found.map((conflict) => conflictProblem(conflict, key)),
      );
  });
  if (problems.size > 0) throw new RejectedError(problems);
}

/** The conflict as a problem of the service that is being edited, whichever side of it that is. */
function conflictProblem({ key, owner, host, index }: HostConflict, edited: ServiceKey): Problem {
  if (key === edited) {
    return {
      path: ['spec', 'hosts', index],
      message: `"${host}" is a host of ${owner} already; a host leads to one service`,
    };
  }
  return {
    path: ['metadata', 'name'],
    message: `the service would answer to "${host}", which ${key} lists among its hosts`,
  };
}
