import { POD_CASES, RELEASE_CASES } from './affinity-cases.js';
import { COOKIE_CASES } from './cookie-cases.js';
import { DERIVED_CASES } from './derived-cases.js';
import { RULE_CASES } from './rule-cases.js';
import { WEIGHT_CASES } from './weight-cases.js';
import type { IngressCase } from './world.js';

/** Every case, in the order of their numbers. */
export const CASES: readonly IngressCase[] = [
  ...RULE_CASES,
  ...WEIGHT_CASES,
  ...RELEASE_CASES,
  ...COOKIE_CASES,
  ...POD_CASES,
  ...DERIVED_CASES,
];
