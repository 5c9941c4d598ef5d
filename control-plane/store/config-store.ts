import { EventEmitter } from 'node:events';
import { sameGrant } from '../../src/model/grant.js';
import { type MeshService, type ServiceKey, serviceKey } from '../../src/model/mesh-service.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { StoreBackend } from './backend.js';
import { type BackupContent, packBackup } from './backup.js';
import { applyChange, type Cause, type Change, type ConfigState } from './config-state.js';
import {
  type Configuration,
  ConfigurationReader,
  differingKeys,
  type RefusalsOf,
  recordContext,
} from './configuration.js';
import {
  type Commit,
  declaredInFiles,
  differencesOf,
  type Edit,
  type EditContext,
  grantAfter,
  meshAfter,
  newRecords,
} from './edit.js';
import {
  changesHosts,
  checkAccepted,
  checkReach,
  checkTogether,
  type Draft,
  parseInTurns,
} from './edit-checks.js';
import type { Editor } from './editor.js';
import {
  ChangedInFileError,
  DeclaredInFileError,
  OvertakenError,
  RevisionConflictError,
  StoreUnavailableError,
  UnknownServiceError,
} from './errors.js';
import { changesOf, revisionOfRequest, type ServiceChange } from './history.js';
import { ALONE, type Presence } from './presence.js';
import { checkKeys, planRestore } from './restore.js';
import { pastToUndoTo } from './undo.js';

const SHUTTING_DOWN = 'the control plane is shutting down';
/** What others have committed is read again after this, where it could not be read. */
const READ_AGAIN_MS = 1000;
/** Edits that wait for each other; more are refused. */
const MAX_WAITING = 1000;
/** An edit that others have overtaken is made again this often at most. */
const MAX_ATTEMPTS = 50;

/**
 * The one place where configuration changes. Edits are made one at a time: checked as a whole, made durable,
 * then published. Emits `change` with the new configuration and the keys that differ.
 *
 * Where the store is shared, an edit is checked against the newest state there is, and made again from the start if
 * another control plane commits in between; what others commit is taken over as soon as the store tells of it.
 */
export class ConfigStore extends EventEmitter<{ change: [Configuration, ReadonlySet<ServiceKey>] }> {
  private tail: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  private closed = false;
  private configuration: Configuration;
  private readonly reader: ConfigurationReader;
  /** What others have committed is about to be taken over. */
  private hasNews = false;
  /** Why it could not be, the last time; empty: it could. */
  private newsProblem = '';

  private constructor(
    private readonly backend: StoreBackend,
    private state: ConfigState,
    private readonly refusalsOf: RefusalsOf,
    private readonly log: Logger,
  ) {
    super();
    this.reader = new ConfigurationReader(refusalsOf, log);
    this.configuration = this.reader.read(state);
    backend.shared?.follow(() => this.followNews());
  }

  /** @param refusalsOf what is wrong with a service for those who are to use it; what they refuse is not stored */
  static async open(
    backend: StoreBackend,
    log: Logger,
    refusalsOf: RefusalsOf = () => [],
  ): Promise<ConfigStore> {
    try {
      return new ConfigStore(backend, await backend.load(), refusalsOf, log);
    } catch (error) {
      await backend.close();
      throw error;
    }
  }

  get current(): Configuration {
    return this.configuration;
  }

  /** Where configuration is kept, for people. */
  get name(): string {
    return this.backend.name;
  }

  /** Why nothing can be stored at present; undefined: it can, as far as is known. */
  get problem(): string | undefined {
    return this.backend.shared?.problem;
  }

  /** The other control planes over the same store. */
  get presence(): Presence {
    return this.backend.shared?.presence ?? ALONE;
  }

  /**
   * @param edit or what makes it of the configuration that it is made on
   * @throws RejectedError, RevisionConflictError, UnknownServiceError; or what the store says
   */
  edit(edit: Edit | ((current: Configuration) => Edit)): Promise<Commit> {
    const cause = typeof edit === 'function' ? undefined : edit.cause;
    return this.exclusively(
      () => this.commit(typeof edit === 'function' ? edit(this.configuration) : edit),
      cause,
    );
  }

  /** Reads a document and edits it in one step, so that no other edit comes between. */
  modify(
    key: ServiceKey,
    expectedRevision: number | undefined,
    change: (document: MeshServiceInput) => MeshServiceInput,
    context: EditContext = {},
  ): Promise<Commit> {
    return this.exclusively(() => {
      this.checkRevision(key, expectedRevision);
      const configured = this.configuration.services.get(key);
      if (configured === undefined) throw this.unknown(key);
      const documents = [change(configured.record.document)];
      return this.commit({ documents, ...context, grantMode: 'keep' });
    }, context.cause);
  }

  /**
   * Puts a service back to what it was before its last change, or at a revision: a rollout that has ended since goes on
   * with the sample that it had. What was granted then is granted
   * again only by an editor who may grant.
   *
   * @param to that revision; undefined: before the last change
   * @throws NothingToUndoError
   */
  undo(
    key: ServiceKey,
    to: number | undefined,
    expectedRevision: number | undefined,
    context: EditContext = {},
  ): Promise<Commit> {
    return this.exclusively(() => {
      this.checkRevision(key, expectedRevision);
      const { document, rollout, grant } = pastToUndoTo(this.state, key, to);
      const granted = grant && { granted: grant };
      const again = rollout === undefined ? {} : { rollout };
      return this.commit({ documents: [document], ...context, ...granted, ...again });
    }, context.cause);
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
    return this.exclusively(async () => {
      const parsed = await parseInTurns(backup.services.map(([, { document }]) => document));
      checkKeys(backup, parsed);
      const records = new Map(backup.services);
      checkTogether(
        new Map(parsed.map((service) => [serviceKey(service), service])),
        parsed,
        (key) => records.get(key)?.grant,
      );
      const plan = planRestore(this.state, backup);
      if (plan === undefined) return this.nothingToDo();
      return this.store({ ...plan, at: new Date().toISOString(), ...cause }, dryRun, parsed);
    }, cause);
  }

  /** Takes a service out, unless a file declares it. */
  remove(key: ServiceKey, expectedRevision: number | undefined, cause?: Cause): Promise<Commit> {
    return this.exclusively(() => {
      this.checkRevision(key, expectedRevision);
      const file = this.state.services.get(key)?.source?.file;
      if (file !== undefined) throw new DeclaredInFileError(key, file);
      return this.commit({ deleted: [key], ...(cause && { cause }) });
    }, cause);
  }

  /** Finishes the edits under way; later ones are refused. */
  async close(): Promise<void> {
    this.closed = true;
    await this.tail;
    await this.backend.close();
  }

  /** Makes edits wait for each other. */
  private exclusively(work: () => Promise<Commit>, cause: Cause | undefined): Promise<Commit> {
    if (this.closed) return Promise.reject(new StoreUnavailableError(SHUTTING_DOWN));
    if (this.waiting === MAX_WAITING)
      return Promise.reject(new StoreUnavailableError(`${MAX_WAITING} changes are waiting already`));
    this.waiting++;
    const result = this.tail.then(() => this.attempt(work, cause?.requestId));
    this.tail = result.catch(() => {}).then(() => void this.waiting--);
    return result;
  }

  /** Works on the newest state, again if another editor commits meanwhile; what was asked for before is not done twice. */
  private async attempt(work: () => Promise<Commit>, requestId: string | undefined): Promise<Commit> {
    for (let attempts = 1; ; attempts++) {
      if (this.closed && this.problem !== undefined) throw new StoreUnavailableError(SHUTTING_DOWN);
      await this.catchUp();
      const made = requestId && this.madeBefore(requestId);
      if (made) return made;
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof OvertakenError) || attempts === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** What came of a request that has been made already: its caller did not get the answer. */
  private madeBefore(requestId: string): Commit | undefined {
    const revision = revisionOfRequest(this.state.history, requestId);
    if (revision === undefined) return undefined;
    const changes = changesOf(this.state).filter((change) => change.revision === revision);
    const differences = changes.map(({ key, before, after, grantAfter }) => ({
      key,
      before: before?.document,
      after: after ?? undefined,
      grantBefore: before?.grant,
      grantAfter,
    }));
    return { revision, changed: new Set(changes.map(({ key }) => key)), differences };
  }

  /** The store says that others may have committed something: takes it over when the edits under way are done. */
  private followNews(): void {
    if (this.hasNews || this.closed) return;
    this.hasNews = true;
    this.tail = this.tail.then(() => {
      this.hasNews = false;
      return this.catchUp();
    });
    this.tail = this.tail.then(
      () => {
        this.newsProblem = '';
      },
      (error: unknown) => this.onNewsFailed(error as Error),
    );
  }

  /** It is told once, and tried until it works. */
  private onNewsFailed(error: Error): void {
    if (this.newsProblem !== error.message)
      this.log.warn({ err: error }, 'what others have stored cannot be read at present; trying again');
    this.newsProblem = error.message;
    setTimeout(() => this.followNews(), READ_AGAIN_MS).unref();
  }

  private async catchUp(): Promise<void> {
    const newer = this.closed ? undefined : await this.backend.shared?.newer(this.state);
    if (newer !== undefined) this.adopt(newer);
  }

  /** @param checked services of the state that have passed every check */
  private adopt(state: ConfigState, checked: readonly MeshService[] = []): void {
    const before = this.configuration;
    this.state = state;
    const known = new Map(checked.map((service) => [serviceKey(service), service]));
    this.configuration = this.reader.read(state, before, known);
    this.emit('change', this.configuration, differingKeys(before, this.configuration));
  }

  private async commit(edit: Edit): Promise<Commit> {
    for (const [key, revision] of edit.expected ?? []) this.checkRevision(key, revision);
    const parsed = await parseInTurns(edit.documents ?? []);
    const deleted = edit.deleted ?? [];
    for (const key of deleted) if (!this.state.services.has(key)) throw this.unknown(key);
    const drafts = parsed.map((service) => this.draftOf(service, edit));
    this.check(drafts, deleted, edit.as);
    const revision = this.state.revision + 1;
    const put = newRecords(this.state, edit, drafts, revision);
    const declared = edit.heedsFiles ? declaredInFiles(this.state, put) : [];
    if (declared.length > 0) throw new ChangedInFileError(declared);
    if (put.length === 0 && deleted.length === 0) return this.nothingToDo();
    const change: Change = { revision, at: new Date().toISOString(), put, deleted, ...edit.cause };
    return this.store(change, edit.dryRun === true, parsed);
  }

  private async nothingToDo(): Promise<Commit> {
    return { revision: this.state.revision, changed: new Set(), differences: [] };
  }

  private async store(change: Change, dryRun: boolean, checked: readonly MeshService[]): Promise<Commit> {
    await this.checkAccepted(change, checked);
    const differences = differencesOf(this.state, change);
    const changed = new Set(differences.map(({ key }) => key));
    if (dryRun) return { revision: this.state.revision, changed, differences };
    const state = applyChange(this.state, change);
    await this.backend.append(change, state);
    this.adopt(state, checked);
    return { revision: change.revision, changed, differences };
  }

  /** As they would be served: with the births, the grant and the secret that they will have. */
  private checkAccepted({ put, restored }: Change, parsed: readonly MeshService[]): Promise<void> {
    const records = new Map(put);
    const secret = restored ? Buffer.from(restored.pinSecret, 'base64') : this.state.pinSecret;
    const context = recordContext(secret, (key) => records.get(key));
    return checkAccepted(parsed, (service) =>
      records.has(serviceKey(service)) ? this.refusalsOf(service, context) : [],
    );
  }

  private draftOf(service: MeshService, edit: Edit): Draft {
    const before = this.configuration.services.get(serviceKey(service));
    return { service, before: before?.service, grant: grantAfter(service, before, edit) };
  }

  /** @throws RejectedError where the documents claim what they may not, or what others have */
  private check(drafts: readonly Draft[], deleted: readonly ServiceKey[], as: Editor | undefined): void {
    const { services } = this.configuration;
    const namespaces = new Set([...services.values()].map(({ service }) => service.namespace));
    checkReach(drafts, (name) => namespaces.has(name) || (as?.isNamespace(name) ?? false));
    const grantBefore = (key: ServiceKey) => services.get(key)?.record.grant;
    const isTogether = drafts.every(
      ({ service, before, grant }) =>
        !changesHosts(before, service) && sameGrant(grant, grantBefore(serviceKey(service))),
    );
    if (isTogether) return;
    const grants = new Map(drafts.map(({ service, grant }) => [serviceKey(service), grant]));
    const edited = drafts.map(({ service }) => service);
    checkTogether(
      meshAfter(this.configuration, edited, deleted),
      edited,
      (key) => (grants.has(key) ? grants.get(key) : grantBefore(key)),
      as,
    );
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
}
