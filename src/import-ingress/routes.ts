import { formatPath } from '../model/problems.js';
import type { CanaryPolicy, Label } from './canary.js';
import type { MatchInput, RouteInput, SplitInput } from './document.js';
import type { Group, Rule } from './groups.js';
import { bySpecificity, type PathCondition } from './paths.js';
import { type RouteSettings, readRouteSettings } from './route-settings.js';

/** The two releases of a group, and who goes where; without a policy there is no canary. */
export interface Releases {
  readonly primary: string;
  readonly canary: { readonly name: string; readonly policy: CanaryPolicy } | undefined;
}

/** Paths that are treated alike. No conditions: every path. */
interface PathSet {
  /** Goes before the names of its routes; empty for the one that `roost split` changes by default. */
  readonly prefix: string;
  readonly conditions: readonly PathCondition[];
  readonly settings: RouteSettings;
}

/**
 * The routes of a service, in the order in which ingress-nginx decides: path, then header, cookie and weight. The
 * session goes before all of them, by `affinity.precedence`.
 */
export function buildRoutes(group: Group, releases: Releases): RouteInput[] {
  return pathSets(group.rules).flatMap((paths) => routesOf(paths, releases));
}

function routesOf({ prefix, conditions, settings }: PathSet, { primary, canary }: Releases): RouteInput[] {
  const named = (name: string) => (prefix === '' ? name : `${prefix}-${name}`);
  const labels = canary?.policy.labels ?? [];
  const name = prefix === '' ? 'default' : prefix;
  // A redirect is the answer: neither release is asked.
  if (settings.redirect) return [{ name, ...matching(conditions), ...settings }];
  const main: RouteInput = { name, ...matching(conditions), split: splitOf(primary, canary), ...settings };
  return [
    ...labels.map((label) => ({
      name: named(label.name),
      ...matching(conditions, label),
      split: [{ version: label.to === 'canary' ? (canary?.name ?? primary) : primary, weight: 1 }],
      ...settings,
    })),
    main,
  ];
}

/** The canary is listed at weight 0 too: its sessions stay as long as only the weight changes. */
function splitOf(primary: string, canary: Releases['canary']): SplitInput {
  if (canary === undefined) return [{ version: primary, weight: 1 }];
  const { weight, total } = canary.policy;
  return [
    { version: primary, weight: total - weight },
    { version: canary.name, weight },
  ];
}

function matching(conditions: readonly PathCondition[], label?: Label): { match?: MatchInput[] } {
  if (conditions.length === 0) return label ? { match: [label.match] } : {};
  return { match: conditions.map(({ match }) => ({ ...(match ? { path: match } : {}), ...label?.match })) };
}

/**
 * All paths in one set where every Ingress asks the same of them; else a set for each, the most specific first, so
 * that each request gets its own path's settings.
 */
function pathSets(rules: readonly Rule[]): PathSet[] {
  const distinct = distinctPaths(rules);
  const settings = new Map(distinct.map((rule) => [rule, readRouteSettings(rule)]));
  const [first, ...others] = [...new Set([...settings.values()].map((value) => JSON.stringify(value)))];
  if (others.length === 0) {
    const every = distinct.some(({ condition }) => condition.match === undefined);
    const conditions = every ? [] : distinct.map(({ condition }) => condition);
    return [{ prefix: '', conditions, settings: JSON.parse(first ?? '{}') as RouteSettings }];
  }
  const sorted = distinct.toSorted((a, b) => bySpecificity(a.condition, b.condition));
  const prefixes = uniquePrefixes(sorted.map(({ condition }) => condition.text));
  return sorted.map((rule, i) => ({
    prefix: i === sorted.length - 1 ? '' : (prefixes[i] as string),
    conditions: rule.condition.match === undefined ? [] : [rule.condition],
    settings: settings.get(rule) ?? {},
  }));
}

/** A path that several hosts have is one path here, where the first of them counts. */
function distinctPaths(rules: readonly Rule[]): Rule[] {
  const byPath = new Map<string, Rule>();
  for (const rule of rules) {
    const key = JSON.stringify(rule.condition.match ?? '');
    const first = byPath.get(key);
    if (first === undefined) byPath.set(key, rule);
    else remarkOnRepeated(rule, first);
  }
  return [...byPath.values()];
}

function remarkOnRepeated(rule: Rule, first: Rule): void {
  const [own, counting] = [rule, first].map((each) => JSON.stringify(readRouteSettings(each)));
  if (own === counting) return;
  const note = `the same path on another host, with other timeouts or retries; those of ${first.ingress.manifest.object} count`;
  rule.ingress.find(rule.at, formatPath(rule.at), rule.condition.text, { outcome: 'changes', note });
}

/** Room for the longest name of a label after it, in a name of 63 characters. */
const PREFIX_LENGTH = 40;

/** `/api/v1` → `path-api-v1`; of several that come out the same, the later ones get a number. */
function uniquePrefixes(paths: readonly string[]): string[] {
  const used = new Set<string>();
  return paths.map((path) => {
    const slug = path
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, PREFIX_LENGTH);
    const plain = `path-${slug.replace(/^-+|-+$/g, '') || 'root'}`;
    let name = plain;
    for (let n = 2; used.has(name); n++) name = `${plain}-${n}`;
    used.add(name);
    return name;
  });
}
