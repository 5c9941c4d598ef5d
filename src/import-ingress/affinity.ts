import type { AffinityInput, SpecInput } from './document.js';
import type { Group } from './groups.js';
import { readHashKey } from './hash-key.js';
import type { Ingress } from './ingress.js';
import { readCookie } from './session-cookie.js';

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
  const loadBalancer = balanced && readLoadBalancer(balanced);
  const affinity =
    (sticky && readCookieAffinity(sticky, group, ingresses)) ?? (hashed && readHashKey(hashed, sticky));
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

const LOAD_BALANCERS = {
  round_robin: 'round-robin',
  ewma: 'least-request',
  least_conn: 'least-request',
} as const;

function readLoadBalancer(ingress: Ingress): SpecInput['loadBalancer'] {
  const value = ingress.text('load-balance') ?? '';
  if (Object.hasOwn(LOAD_BALANCERS, value)) {
    const known = LOAD_BALANCERS[value as keyof typeof LOAD_BALANCERS];
    if (value === 'round_robin') ingress.remark('load-balance', { outcome: 'exact', note: 'the same' });
    return known;
  }
  ingress.refuseAnnotation('load-balance', `"${value}" is none of ${Object.keys(LOAD_BALANCERS).join(', ')}`);
  return undefined;
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
      `"${type}" is no affinity of ingress-nginx, which knows cookie only`,
    );
    return undefined;
  }
  if (ingresses.some((other) => other.text('affinity') === undefined)) {
    const note =
      "the session is the whole service's, the paths of Ingresses without affinity included; a new cookie format places every session anew once";
    ingress.remark('affinity', { note });
  }
  const isLegacy = readCanaryBehavior(group.canary?.ingress) === 'legacy';
  const endpoint = readMode(ingress);
  const key = [{ cookie: readCookie(ingress, group) }];
  return { key, version: isLegacy ? 'none' : 'persistent', endpoint, precedence: 'session' };
}

function readMode(ingress: Ingress): 'balanced' | 'persistent' {
  const mode = ingress.text('affinity-mode') ?? 'balanced';
  if (mode === 'balanced' || mode === 'persistent') return mode;
  ingress.refuseAnnotation(
    'affinity-mode',
    `"${mode}" is neither balanced nor persistent; balanced is taken, as there`,
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
      `"${behavior}" is neither sticky nor legacy; sticky is taken, as there`,
    );
  return behavior === 'legacy' ? 'legacy' : 'sticky';
}
