import type { Test } from 'tap';
import type { Teardown } from '../../src/lifecycle/teardown.js';

/** The part of a test, or of a program that is not one, that undoes things in the end. */
export type Owner = Pick<Test, 'teardown'>;

/** For a program: what its teardown runs. The cast leaves out what only tests do with the answer. */
export function ownerOf(teardown: Pick<Teardown, 'add'>): Owner {
  return { teardown: (step: () => unknown) => teardown.add(step) } as unknown as Owner;
}
