import { cookieName, headerName } from '../model/scalars.js';
import { SLOTS } from '../routing/split.js';
import type { MatchInput } from './document.js';
import type { Ingress } from './ingress.js';
import { searching, whyRefused } from './regex.js';

/** A route that names a release: by a header or a cookie of the request. */
export interface Label {
  /** `header-always` */
  readonly name: string;
  readonly to: 'canary' | 'primary';
  readonly match: Pick<MatchInput, 'headers' | 'cookies'>;
}

/** Who goes to the canary, in the order that ingress-nginx asks: header, cookie, weight. */
export interface CanaryPolicy {
  readonly labels: readonly Label[];
  /** The canary's share is `weight` of `total`. */
  readonly weight: number;
  readonly total: number;
}

const RULES = [
  'canary-weight',
  'canary-by-header',
  'canary-by-header-value',
  'canary-by-header-pattern',
  'canary-by-cookie',
] as const;

/** A configuration error in ingress-nginx: rules of a canary on an Ingress that is none. */
export function isCanaryByMistake(ingress: Ingress): boolean {
  if (ingress.isCanary) return false;
  const found = RULES.filter((name) => ingress.text(name) !== undefined && ingress.text(name) !== '0');
  for (const name of found) {
    ingress.refuseAnnotation(
      name,
      'needs canary: "true" beside it; ingress-nginx takes this for an error, and nothing of this Ingress is imported',
    );
  }
  return found.length > 0;
}

export function readCanary(ingress: Ingress): CanaryPolicy {
  return { labels: [...readHeader(ingress), ...readCookie(ingress)], ...readWeight(ingress) };
}

function readHeader(ingress: Ingress): Label[] {
  const name = ingress.text('canary-by-header');
  const value = ingress.text('canary-by-header-value');
  const pattern = ingress.text('canary-by-header-pattern');
  if (name === undefined) {
    const unused = {
      outcome: 'exact',
      becomes: '',
      note: 'has no effect without canary-by-header, there or here',
    } as const;
    for (const rule of ['canary-by-header-value', 'canary-by-header-pattern']) ingress.remark(rule, unused);
    return [];
  }
  if (!headerName.safeParse(name).success) {
    ingress.refuseAnnotation('canary-by-header', `"${name}" is not a header name`);
    return [];
  }
  if (value !== undefined) {
    const note = 'has no effect beside canary-by-header-value, there or here';
    ingress.remark('canary-by-header', {
      becomes: 'route header-value',
      note: 'the header that header-value compares',
    });
    ingress.remark('canary-by-header-pattern', { outcome: 'exact', becomes: '', note });
    return [{ name: 'header-value', to: 'canary', match: { headers: [{ name, exact: value }] } }];
  }
  if (pattern !== undefined) return [headerPattern(ingress, name, pattern)];
  return [
    { name: 'header-always', to: 'canary', match: { headers: [{ name, exact: 'always' }] } },
    { name: 'header-never', to: 'primary', match: { headers: [{ name, exact: 'never' }] } },
  ];
}

function headerPattern(ingress: Ingress, name: string, pattern: string): Label {
  const broken = whyRefused(pattern);
  if (broken === undefined) {
    ingress.remark('canary-by-header-pattern', {
      outcome: 'exact',
      note: 'found anywhere in the value, as in ingress-nginx',
    });
    ingress.remark('canary-by-header', {
      becomes: 'route header-pattern',
      note: 'the header that the pattern is looked for in',
    });
    return {
      name: 'header-pattern',
      to: 'canary',
      match: { headers: [{ name, regex: searching(pattern) }] },
    };
  }
  ingress.refuseAnnotation(
    'canary-by-header-pattern',
    `"${pattern}" is not an RE2 regular expression (${broken}), which PCRE may have taken; until it is rewritten, requests with the header ${name} go to the primary`,
  );
  ingress.remark('canary-by-header', { becomes: 'route header-refused', note: 'its pattern was refused' });
  return { name: 'header-refused', to: 'primary', match: { headers: [{ name, present: true }] } };
}

function readCookie(ingress: Ingress): Label[] {
  const name = ingress.text('canary-by-cookie');
  if (name === undefined) return [];
  if (!cookieName.safeParse(name).success) {
    ingress.refuseAnnotation('canary-by-cookie', `"${name}" is not a cookie name`);
    return [];
  }
  return [
    { name: 'cookie-always', to: 'canary', match: { cookies: [{ name, exact: 'always' }] } },
    { name: 'cookie-never', to: 'primary', match: { cookies: [{ name, exact: 'never' }] } },
  ];
}

const DEFAULT_TOTAL = 100;
/** The largest weight that a split takes. */
const LARGEST_WEIGHT = 1_000_000;

function readWeight(ingress: Ingress): { weight: number; total: number } {
  const total = readTotal(ingress);
  const weight = ingress.wholeNumber('canary-weight', 'ingress-nginx takes 0') ?? 0;
  if (weight < 0 || weight > total) {
    const there = weight < 0 ? 'nothing' : 'everything';
    ingress.refuseAnnotation(
      'canary-weight',
      `${weight} is not between 0 and ${total}; ingress-nginx sends the canary ${there}. The canary is imported with weight 0`,
    );
    return { weight: 0, total };
  }
  if (weight > 0 && (weight * SLOTS) % total !== 0)
    ingress.remark('canary-weight', {
      outcome: 'changes',
      note: `the share is rounded to one of ${SLOTS} slots`,
    });
  if (total <= LARGEST_WEIGHT) return { weight, total };
  return { weight: Math.round((weight / total) * LARGEST_WEIGHT), total: LARGEST_WEIGHT };
}

function readTotal(ingress: Ingress): number {
  const total = ingress.wholeNumber('canary-weight-total', `ingress-nginx takes ${DEFAULT_TOTAL}`);
  if (total === undefined || total === DEFAULT_TOTAL) return DEFAULT_TOTAL;
  if (total > DEFAULT_TOTAL) return total;
  ingress.remark('canary-weight-total', {
    note: `means ${DEFAULT_TOTAL}, as in ingress-nginx: smaller totals are ignored`,
  });
  return DEFAULT_TOTAL;
}
