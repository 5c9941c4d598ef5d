import { SESSION_DETAILS } from './annotation-table.js';
import type { AffinityInput, SpecInput } from './document.js';
import type { Group } from './groups.js';
import { readHashKey } from './hash-key.js';
import type { Ingress } from './ingress.js';
import { noteOnPath, readCookie } from './session-cookie.js';

/** How a service keeps sessions and spreads the rest. */
export type Balancing = Pick<SpecInput, 'affinity' | 'loadBalancer'>;

/**
 * Reads what is a matter of the whole service. Where several Ingresses lead to it, the oldest that says something
 * counts, as in ingress-nginx; a canary's own settings do not, since a service has one set of them.
 */
export function readBalancing(group: Group): Balancing {
  const ingresses = [...new Set(group.rules.map(({ ingress }) => ingress))];
  const sticky = firstWith(ingresses, 'affinity');
  const hashed = firstWith(ingresses, 'upstream-hash-by');
  const balanced = firstWith(ingresses, 'load-balance');
  remarkOnOthers(group, ingresses, [sticky, hashed, balanced]);
  remarkOnUnused(group, ingresses, sticky);
  const cookie = sticky && readCookieAffinity(sticky, group, ingresses);
  const hash = hashed && readHashKey(hashed, cookie !== undefined);
  const affinity = cookie ?? hash;
  const loadBalancer = balanced && readLoadBalancer(balanced, affinity !== undefined);
  return { ...(affinity ? { affinity } : {}), ...(loadBalancer ? { loadBalancer } : {}) };
}

function firstWith(ingresses: readonly Ingress[], name: string): Ingress | undefined {
  return ingresses.find((ingress) => ingress.text(name) !== undefined);
}

const PER_SERVICE = ['affinity', 'upstream-hash-by', 'load-balance'] as const;

function remarkOnOthers(
  group: Group,
  ingresses: readonly Ingress[],
  counting: readonly (Ingress | undefined)[],
): void {
  PER_SERVICE.forEach((name, i) => {
    for (const ingress of ingresses) {
      const first = counting[i];
      if (first === undefined || first === ingress || ingress.text(name) === first.text(name)) continue;
      const note = `a matter of the whole service; ${first.manifest.object} says it for ${group.backend.id}`;
      ingress.remark(name, { outcome: 'changes', becomes: '', note });
    }
  });
  const canary = group.canary?.ingress;
  for (const name of ['upstream-hash-by', 'load-balance'] as const) {
    const [own, primary] = [canary?.text(name), firstWith(ingresses, name)?.text(name)];
    const note =
      own === primary
        ? 'as on the primary'
        : `a matter of the whole service: the primary's counts, which has ${primary ?? 'none'}`;
    canary?.remark(name, { outcome: own === primary ? 'exact' : 'changes', becomes: '', note });
  }
}

/** The details of a session on an Ingress whose affinity is not the one that counts. */
function remarkOnUnused(group: Group, ingresses: readonly Ingress[], sticky: Ingress | undefined): void {
  const counting = sticky?.text('affinity') === 'cookie' ? sticky : undefined;
  const unused = {
    outcome: 'exact',
    becomes: '',
    note: 'has no effect without affinity: cookie, there or here',
  } as const;
  if (counting === undefined) group.canary?.ingress.remark('affinity-canary-behavior', unused);
  for (const ingress of ingresses) {
    if (ingress === counting) continue;
    const note = `a matter of the whole service; ${counting?.manifest.object} says it for ${group.backend.id}`;
    const remark = counting ? ({ outcome: 'changes', becomes: '', note } as const) : unused;
    for (const name of SESSION_DETAILS) ingress.remark(name, remark);
  }
}

const LOAD_BALANCERS = new Map([
  ['round_robin', 'round-robin'],
  ['ewma', 'least-request'],
  ['least_conn', 'least-request'],
] as const);

function readLoadBalancer(ingress: Ingress, hasAffinity: boolean): SpecInput['loadBalancer'] {
  const value = ingress.text('load-balance') ?? '';
  const known = (LOAD_BALANCERS as ReadonlyMap<string, SpecInput['loadBalancer']>).get(value);
  if (known === undefined) {
    ingress.refuseAnnotation(
      'load-balance',
      `"${value}" is none of ${[...LOAD_BALANCERS.keys()].join(', ')}`,
    );
    return undefined;
  }
  if (hasAffinity) {
    const note = 'has no effect beside affinity or upstream-hash-by, there or here';
    ingress.remark('load-balance', { outcome: 'exact', becomes: '', note });
    return undefined;
  }
  if (value === 'round_robin') ingress.remark('load-balance', { outcome: 'exact', note: 'the same' });
  return known;
}

/** Undefined: what the annotation says is no affinity, there or here. */
function readCookieAffinity(
  ingress: Ingress,
  group: Group,
  ingresses: readonly Ingress[],
): AffinityInput | undefined {
  const type = ingress.text('affinity');
  if (type !== 'cookie') {
    ingress.refuseAnnotation(
      'affinity',
      `"${type}" is not an affinity of ingress-nginx, which knows cookie only`,
    );
    return undefined;
  }
  const isLegacy = readCanaryBehavior(group.canary?.ingress) === 'legacy';
  const endpoint = readMode(ingress);
  const cookie = readCookie(ingress, group);
  const key = [{ cookie }];
  const notes = [sharedNote(ingresses), noteOnPath(ingress, group, cookie.path)].filter(
    (note) => note !== undefined,
  );
  if (notes.length > 0) ingress.remark('affinity', { note: notes.join('; ') });
  return { key, version: isLegacy ? 'none' : 'persistent', endpoint, precedence: 'session' };
}

function sharedNote(ingresses: readonly Ingress[]): string | undefined {
  if (ingresses.every((other) => other.text('affinity') !== undefined)) return undefined;
  return "the session is the whole service's, the paths of Ingresses without affinity included; a new cookie format places every session again once";
}

const MODES = {
  balanced: 'by consistent hash; a new pod takes its share of the sessions',
  persistent: 'sessions stay on their pod as long as it is there',
} as const;

function readMode(ingress: Ingress): keyof typeof MODES {
  const mode = ingress.text('affinity-mode') ?? 'balanced';
  if (mode === 'balanced' || mode === 'persistent') {
    ingress.remark('affinity-mode', { note: MODES[mode] });
    return mode;
  }
  ingress.refuseAnnotation(
    'affinity-mode',
    `"${mode}" is neither balanced nor persistent; balanced is used, as in ingress-nginx`,
  );
  return 'balanced';
}

function readCanaryBehavior(canary: Ingress | undefined): 'sticky' | 'legacy' {
  const behavior = canary?.text('affinity-canary-behavior') ?? 'sticky';
  if (behavior === 'sticky')
    canary?.remark('affinity-canary-behavior', {
      outcome: 'exact',
      note: 'persistent: sessions stay on their release',
    });
  else if (behavior !== 'legacy')
    canary?.refuseAnnotation(
      'affinity-canary-behavior',
      `"${behavior}" is neither sticky nor legacy; sticky is used, as in ingress-nginx`,
    );
  return behavior === 'legacy' ? 'legacy' : 'sticky';
}
