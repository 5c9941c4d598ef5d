import type { Test } from 'tap';

/** Whoever has things that must be undone in the end: a test, or a program that is none. */
export type Owner = Pick<Test, 'teardown'>;
