import { formatAuthor } from '../../src/model/author.js';
import { describeChange } from '../../src/model/describe-change.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import { nearestOf } from '../../src/model/nearest.js';
import type { Problem } from '../../src/model/problems.js';
import type { ServiceChange } from './history.js';

/** A service that a file declares cannot be deleted through the API: the file would bring it back. */
export class DeclaredInFileError extends Error {
  constructor(key: ServiceKey, file: string) {
    super(`${key} is declared in ${file}; take it out there`);
    this.name = 'DeclaredInFileError';
  }
}

/** A service, and the file that declares it. */
export interface DeclaredService {
  readonly key: ServiceKey;
  readonly file: string;
}

/** A service that a file declares is changed there: what is changed elsewhere ends when the file changes. */
export class ChangedInFileError extends Error {
  constructor(declared: readonly DeclaredService[]) {
    const named = declared
      .slice(0, MOST_SERVICES_TOLD)
      .map(({ key, file }) => `${key} is declared in ${file}`);
    const more = declared.length > named.length ? `; and ${declared.length - named.length} more` : '';
    super(
      `${named.join('; ')}${more}; change it there, or with --force until that document changes in its file`,
    );
    this.name = 'ChangedInFileError';
  }
}

const MOST_SERVICES_TOLD = 5;

/** Some resources of a set are wrong; nothing of the set was applied. */
export class RejectedError extends Error {
  /** @param problems by the index of the document in the set */
  constructor(readonly problems: ReadonlyMap<number, readonly Problem[]>) {
    super('the configuration was rejected');
    this.name = 'RejectedError';
  }
}

/** Another editor changed the service first; the message says who and what, as far as that is kept. */
export class RevisionConflictError extends Error {
  /** @param since what was done to the service after the expected revision, newest first */
  constructor(key: ServiceKey, expected: number, actual: number, since: readonly ServiceChange[] = []) {
    const wanted = expected === 0 ? 'not to exist' : `at revision ${expected}`;
    const now = actual === 0 ? 'it does not exist' : `it is at revision ${actual}`;
    const told = since.slice(0, MOST_CHANGES_TOLD).map((change) => `\n  ${formatChange(change)}`);
    const more = since.length > told.length ? `\n  and ${since.length - told.length} more` : '';
    const changes = since.length === 0 ? '' : `\nsince then:${told.join('')}${more}`;
    super(`${key} was expected ${wanted}, but ${now}; look at it and try again${changes}`);
    this.name = 'RevisionConflictError';
  }
}

const MOST_CHANGES_TOLD = 5;

/** `revision 7, 2026-11-22T12:00:00.000Z, by ann (10.0.0.3): split v1=100 → v1=90 v2=10` */
function formatChange({ revision, at, by, before, after, action }: ServiceChange): string {
  const what = describeChange(before?.document, after ?? undefined).join('; ') || action;
  return `revision ${revision}, ${at}, by ${formatAuthor(by)}: ${what}`;
}

/** The past that a change is to go back to is not there. */
export class NothingToUndoError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NothingToUndoError';
  }
}

/** A backup that cannot be restored; the message says what is wrong with it. */
export class InvalidBackupError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvalidBackupError';
  }
}

export class UnknownServiceError extends Error {
  /** @param known what there is instead, to tell a forgotten namespace from a service that is not declared */
  constructor(
    readonly key: ServiceKey,
    known: Iterable<ServiceKey>,
  ) {
    const name = key.slice(key.indexOf('/') + 1);
    const elsewhere = [...known].filter((other) => other.endsWith(`/${name}`));
    const near = nearestOf(key, [...known]);
    const meant = near === undefined ? '' : `; did you mean ${near}?`;
    const hint = elsewhere.length === 0 ? meant : `; there is ${elsewhere.sort().join(', ')}`;
    super(`no service ${key} is configured${hint}`);
    this.name = 'UnknownServiceError';
  }
}

/** Another control plane has committed since the state that a change was made on; nothing was written. */
export class OvertakenError extends Error {
  constructor() {
    super('other changes kept coming in between; nothing was changed; try again');
    this.name = 'OvertakenError';
  }
}

/** The store cannot be read or written at present; nothing was changed. */
export class StoreUnavailableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreUnavailableError';
  }
}

/** The store was sent a change and did not say what became of it: it may be in force, now or later. */
export class OutcomeUnknownError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OutcomeUnknownError';
  }
}
