import { stringify } from 'yaml';
import { DEFAULT_ROUTE } from './mesh-service.js';
import { AUTO_SALT, isRollingOut } from './rollout.js';
import type { MeshServiceInput } from './schema.js';

/** A change told in more lines than this is told as so many, and how many more. */
const MAX_LINES = 12;
/** Values longer than this are told as changed, and not shown. */
const MAX_VALUE_CHARACTERS = 40;

type SpecInput = MeshServiceInput['spec'];
type RouteInput = NonNullable<SpecInput['routes']>[number];
type VersionInput = SpecInput['versions'][number];
type Fields = Readonly<Record<string, unknown>>;

/**
 * What a change of a document comes to, a line for each matter, as an operator thinks of it:
 * `split v1=100 → v1=90 v2=10`. Empty where nothing differs.
 *
 * @param before none: the service is new
 * @param after none: the service is gone
 */
export function describeChange(
  before: MeshServiceInput | undefined,
  after: MeshServiceInput | undefined,
): string[] {
  if (after === undefined) return before === undefined ? [] : ['deleted'];
  if (before === undefined) return bounded(['created', ...routesOf(after.spec).map(newSplit)]);
  const [was, is] = [before.spec, after.spec];
  const lone = routesOf(was).length === 1 && routesOf(is).length === 1;
  return bounded([
    ...scalar('stable', stableOf(was), stableOf(is)),
    ...byName(routesOf(was), routesOf(is), 'route', (a, b) => routeChange(a, b, lone)),
    ...rolloutBegun(was, is),
    ...byName(was.versions, is.versions, 'version', versionChange),
    ...fieldChanges(was, is, ['stable', 'routes', 'versions'], ''),
    ...fieldChanges(before.metadata, after.metadata, ['name', 'namespace'], ''),
  ]);
}

/** S4 rule 4: other sessions than before are the first to see the new release. */
function rolloutBegun(was: SpecInput, is: SpecInput): string[] {
  const begins = is.affinity?.salt === AUTO_SALT && isRollingOut(is) && !isRollingOut(was);
  return begins ? ['salt auto: a rollout begins, with its own sample of sessions'] : [];
}

function bounded(lines: readonly string[]): string[] {
  if (lines.length <= MAX_LINES) return [...lines];
  return [...lines.slice(0, MAX_LINES - 1), `and ${lines.length - MAX_LINES + 1} more`];
}

function stableOf({ stable, versions }: SpecInput): string {
  return stable ?? versions[0]?.name ?? '';
}

function routesOf(spec: SpecInput): readonly RouteInput[] {
  if (spec.routes !== undefined && spec.routes.length > 0) return spec.routes;
  return [{ name: DEFAULT_ROUTE, split: [{ version: stableOf(spec), weight: 1 }] }];
}

function newSplit({ name, split }: RouteInput): string {
  return `${routeLabel(name, name === DEFAULT_ROUTE)}split ${formatSplit(split)}`;
}

function routeChange(was: RouteInput, is: RouteInput, lone: boolean): string[] {
  const label = routeLabel(is.name, lone || is.name === DEFAULT_ROUTE);
  const [from, to] = [formatSplit(was.split), formatSplit(is.split)];
  return [
    ...(from === to ? [] : [`${label}split ${from} → ${to}`]),
    ...fieldChanges(was, is, ['name', 'split'], label),
  ];
}

function routeLabel(name: string, obvious: boolean): string {
  return obvious ? '' : `route ${name}: `;
}

/** A release that has everything has 100, whatever its weight. */
function formatSplit(split: RouteInput['split']): string {
  if (split === undefined) return 'none';
  const lone = split.filter(({ weight }) => weight > 0).length === 1;
  return split.map(({ version, weight }) => `${version}=${lone && weight > 0 ? 100 : weight}`).join(' ');
}

function versionChange(was: VersionInput, is: VersionInput): string[] {
  const label = `version ${is.name}: `;
  const [from, to] = [endpointsOf(was), endpointsOf(is)];
  const added = to.filter((address) => !from.includes(address)).length;
  const removed = from.filter((address) => !to.includes(address)).length;
  if (added + removed === 0) return fieldChanges(was, is, ['name'], label);
  const counts = `${from.length} → ${to.length} endpoints (${added} added, ${removed} removed)`;
  return [`${label}${counts}`, ...fieldChanges(was, is, ['name', 'endpoints'], label)];
}

function endpointsOf({ endpoints }: VersionInput): readonly string[] {
  return (endpoints ?? []).map(({ address }) => address);
}

/** What was added, removed and changed among things that have names. */
function byName<T extends { readonly name: string }>(
  was: readonly T[],
  is: readonly T[],
  what: string,
  compare: (was: T, is: T) => readonly string[],
): string[] {
  const before = new Map(was.map((item) => [item.name, item]));
  const names = new Set(is.map(({ name }) => name));
  const kept = is.filter(({ name }) => before.has(name)).map(({ name }) => name);
  const inOrder = was.filter(({ name }) => names.has(name)).map(({ name }) => name);
  return [
    ...is.flatMap((item) => {
      const earlier = before.get(item.name);
      return earlier === undefined ? [`${what} ${item.name} added`] : compare(earlier, item);
    }),
    ...was.filter(({ name }) => !names.has(name)).map(({ name }) => `${what} ${name} removed`),
    ...(kept.join() === inOrder.join() ? [] : [`${what}s in another order`]),
  ];
}

/** Fields that differ, but for those that are told of elsewhere; one level into what has fields of its own. */
function fieldChanges(was: object, is: object, except: readonly string[], label: string): string[] {
  const [before, after] = [was as Fields, is as Fields];
  const names = new Set(
    [...Object.keys(before), ...Object.keys(after)].filter((name) => !except.includes(name)),
  );
  return [...names].flatMap((name) => {
    const [from, to] = [before[name], after[name]];
    if (isObject(from) && isObject(to)) return fieldChanges(from, to, [], `${label}${name}.`);
    return scalar(`${label}${name}`, from, to);
  });
}

function scalar(what: string, from: unknown, to: unknown): string[] {
  if (stringify(from ?? null) === stringify(to ?? null)) return [];
  const [before, after] = [valueText(from), valueText(to)];
  if (before !== undefined && after !== undefined) return [`${what} ${before} → ${after}`];
  return [`${what} ${from === undefined ? 'added' : to === undefined ? 'removed' : 'changed'}`];
}

/** A value in short; undefined where it is too long to show, or has parts. */
function valueText(value: unknown): string | undefined {
  if (value === undefined) return 'none';
  const text = typeof value === 'object' ? undefined : String(value);
  return text !== undefined && text.length <= MAX_VALUE_CHARACTERS ? text : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
