import type { Path } from '../model/problems.js';
import { type Backend, findBackend } from './backends.js';
import type { RouteInput } from './document.js';
import type { Ingress } from './ingress.js';
import type { BackendRef, PathType } from './manifests.js';
import { type PathCondition, prefixCondition, translatePath } from './paths.js';
import type { Manifests } from './read-manifests.js';
import { readRewrite } from './rewrite.js';

/** One path of one rule, with its place in the Ingress. */
export interface Rule {
  readonly ingress: Ingress;
  /** Empty: every host. */
  readonly host: string;
  readonly condition: PathCondition;
  /** What the app gets in the path's place. */
  readonly rewrite: RouteInput['rewrite'];
  readonly backend: Backend;
  /** Host, path and pathType: what a canary has to share with its primary. */
  readonly key: string;
  readonly at: Path;
  readonly backendAt: Path;
}

/** A primary backend with all that leads to it, and its canary: what becomes one MeshService. */
export interface Group {
  readonly backend: Backend;
  readonly rules: Rule[];
  canary: { readonly ingress: Ingress; readonly backend: Backend } | undefined;
}

/** Groups the rules of primaries by their backend, and gives each group its canary. */
export function groupRules(ingresses: readonly Ingress[], manifests: Manifests): Group[] {
  const regexHosts = findRegexHosts(ingresses);
  const read = (ingress: Ingress) => readRules(ingress, manifests, regexHosts);
  const taken = new Map<string, Rule>();
  const groups = new Map<string, Group>();
  for (const rule of ingresses.filter(({ isCanary }) => !isCanary).flatMap(read)) {
    const first = taken.get(rule.key);
    if (first !== undefined) {
      rule.ingress.refuse(
        rule.at,
        `${rule.key} is a path of ${first.ingress.manifest.object} already, and the first counts`,
      );
      continue;
    }
    taken.set(rule.key, rule);
    const group = groups.get(rule.backend.id) ?? { backend: rule.backend, rules: [], canary: undefined };
    group.rules.push(rule);
    groups.set(rule.backend.id, group);
  }
  for (const rule of ingresses.filter(({ isCanary }) => isCanary).flatMap(read)) {
    const primary = taken.get(rule.key);
    addCanary(rule, primary && groups.get(primary.backend.id));
  }
  return [...groups.values()];
}

/**
 * ingress-nginx hangs a canary on its primary's backend, not on the rule that they share: it then serves every
 * rule of that backend. Of several, only the oldest is ever asked.
 */
function addCanary(rule: Rule, group: Group | undefined): void {
  const problem = whyNoCanary(rule, group);
  if (problem !== undefined) rule.ingress.refuse(rule.at, problem);
  else if (group) group.canary ??= { ingress: rule.ingress, backend: rule.backend };
}

function whyNoCanary({ key, ingress, backend }: Rule, group: Group | undefined): string | undefined {
  if (group === undefined) return `is a canary without a primary: no other Ingress has ${key}`;
  const { canary } = group;
  if (group.backend.id === backend.id)
    return `leads to the Service of its primary, ${backend.id}; a canary needs a Service of its own`;
  if (canary === undefined || (canary.backend.id === backend.id && canary.ingress === ingress))
    return undefined;
  const older = `${canary.ingress.manifest.object} is the canary of ${group.backend.id}`;
  return `${older} already, and a service has one; ingress-nginx asks the oldest only`;
}

/** One expression is enough for ingress-nginx to take all paths of a host for regular expressions. */
function findRegexHosts(ingresses: readonly Ingress[]): ReadonlySet<string> {
  const asRegex = (ingress: Ingress) =>
    ingress.flag('use-regex') === true || ingress.text('rewrite-target') !== undefined;
  return new Set(
    ingresses
      .filter((ingress) => !ingress.isCanary && asRegex(ingress))
      .flatMap(({ manifest }) => (manifest.value.spec?.rules ?? []).map(({ host }) => host ?? '')),
  );
}

interface RawRule {
  readonly host: string;
  readonly path: string;
  readonly pathType: PathType;
  readonly backend: BackendRef | null | undefined;
  readonly at: Path;
  readonly backendAt: Path;
}

function readRules(ingress: Ingress, manifests: Manifests, regexHosts: ReadonlySet<string>): Rule[] {
  return rawRules(ingress).flatMap(({ host, path, pathType, backend: ref, at, backendAt }) => {
    const rewritten = readRewrite(ingress, path);
    const condition = rewritten?.byPrefix
      ? prefixCondition(path, rewritten.match)
      : translatePath(path, pathType, regexHosts.has(host));
    if (typeof condition === 'string') ingress.refuse([...at, 'path'], condition);
    const backend = findBackend(ref, ingress.manifest.namespace, manifests);
    if (typeof backend === 'string') ingress.refuse(backendAt, backend);
    if (typeof condition === 'string' || typeof backend === 'string') return [];
    const key = `${host || '*'}${path} (${pathType})`;
    return [{ ingress, host, condition, rewrite: rewritten?.rewrite, backend, key, at, backendAt }];
  });
}

function rawRules({ manifest }: Ingress): RawRule[] {
  const { spec } = manifest.value;
  const rules = (spec?.rules ?? []).flatMap(({ host, http }, r) =>
    (http?.paths ?? []).map((rule, p): RawRule => {
      const at = ['spec', 'rules', r, 'http', 'paths', p];
      const pathType = rule.pathType ?? 'ImplementationSpecific';
      const { backend } = rule;
      const backendAt = backend ? [...at, 'backend'] : at;
      return { host: host ?? '', path: rule.path || '/', pathType, backend, at, backendAt };
    }),
  );
  const field = spec?.defaultBackend ? 'defaultBackend' : 'backend';
  const fallback = spec?.[field];
  if (!fallback) return rules;
  const at = ['spec', field];
  return [...rules, { host: '', path: '/', pathType: 'Prefix', backend: fallback, at, backendAt: at }];
}
