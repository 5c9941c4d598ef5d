import type { ServiceKey } from '../../src/model/mesh-service.js';
import type { Problem } from '../../src/model/problems.js';

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
    const wanted = expected === 0 ? 'not to exist' : `at revision ${expected}`;
    const now = actual === 0 ? 'it does not exist' : `it is at revision ${actual}`;
    super(`${key} was expected ${wanted}, but ${now}; look at it and try again`);
    this.name = 'RevisionConflictError';
  }
}

export class UnknownServiceError extends Error {
  /** @param known what there is instead, to tell a forgotten namespace from a service that nobody declared */
  constructor(
    readonly key: ServiceKey,
    known: Iterable<ServiceKey>,
  ) {
    const name = key.slice(key.indexOf('/') + 1);
    const elsewhere = [...known].filter((other) => other.endsWith(`/${name}`));
    const hint = elsewhere.length === 0 ? '' : `; there is ${elsewhere.sort().join(', ')}`;
    super(`no service ${key} is configured${hint}`);
    this.name = 'UnknownServiceError';
  }
}
