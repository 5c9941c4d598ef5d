import type { MeshService } from '../../src/model/mesh-service.js';
import type { MatchSpec, ValueMatchSpec } from '../../src/model/schema.js';
import { plainRequest, type RequestView } from '../../src/routing/request-view.js';
import type { Route, VirtualHost } from '../../src/routing/table.js';
import { sampleOf } from './regex-sample.js';

/** A service and what it compiles to. */
export interface CompiledService {
  readonly service: MeshService;
  readonly host: VirtualHost;
}

/** One alternative of a route's match. */
export interface Alternative {
  readonly route: Route;
  readonly match: MatchSpec;
}

export interface Samples {
  readonly requests: readonly RequestView[];
  /** For which no request could be made up; by service, in the order of the services. */
  readonly opaque: readonly (readonly Alternative[])[];
}

/**
 * Makes up requests that show which requests each route takes: for every alternative of every route one that
 * satisfies it, ones that satisfy two at once or break what an alternative rules out, and one that satisfies as
 * little as can be. Whether they do is for the production decision to say.
 */
export function sampleRequests(services: readonly CompiledService[]): Samples {
  const satisfying: Sketch[] = [];
  const breaking: Sketch[] = [];
  const opaque = services.map((compiled) =>
    alternativesOf(compiled).filter(({ route, match }) => {
      breaking.push(...exceptionsOf(match));
      const holds = (sketch: Sketch) => route.condition?.(toRequest(sketch), () => 0) !== false;
      const sketch = sketchesOf(match).find(holds);
      if (sketch !== undefined) satisfying.push(sketch);
      return sketch === undefined;
    }),
  );
  const single = distinct([new Map(), ...satisfying, ...breaking, mergeAll(breaking)]);
  return { requests: distinct([...single, ...pairsOf(single)]).map(toRequest), opaque };
}

/** Each alternative is a compiled route of its own, under the same name. */
function alternativesOf({ service, host }: CompiledService): Alternative[] {
  return service.spec.routes.flatMap(({ name, match = [] }) => {
    const compiled = host.routes.filter((route) => route.name === name);
    return match.map((each, i) => ({ route: compiled[i] as Route, match: each }));
  });
}

/** Of more sketches than this, pairs are not tried: there would be too many. */
const MOST_IN_PAIRS = 100;

function pairsOf(sketches: readonly Sketch[]): Sketch[] {
  if (sketches.length > MOST_IN_PAIRS) return [];
  return sketches.flatMap((a, i) => sketches.slice(i + 1).flatMap((b) => merge(a, b) ?? []));
}

/** What a request has to have: `method`, `path`, or `header NAME`, `query NAME`, `cookie NAME`, and its value. */
type Sketch = ReadonlyMap<string, string>;

function merge(a: Sketch, b: Sketch): Sketch | undefined {
  for (const [what, value] of b) if ((a.get(what) ?? value) !== value) return undefined;
  return new Map([...a, ...b]);
}

/** All that go together, the first ones first. */
function mergeAll(sketches: readonly Sketch[]): Sketch {
  return sketches.reduce<Sketch>((all, sketch) => merge(all, sketch) ?? all, new Map());
}

function distinct(sketches: readonly Sketch[]): Sketch[] {
  return [...new Map(sketches.map((sketch) => [JSON.stringify([...sketch].sort()), sketch])).values()];
}

/** Unlikely to be what any condition asks for. */
const ANY = '~sample';
/** Of the ways to satisfy one match; nearly always the first one does. */
const MOST_TRIED = 64;

/** Requests that may satisfy a match, the likeliest first. */
function sketchesOf(match: MatchSpec): readonly Sketch[] {
  let sketches: Sketch[] = [new Map()];
  for (const [what, texts] of textsOf(match)) {
    const longer = sketches.flatMap((sketch) =>
      texts.map((text) => (text === undefined ? sketch : new Map([...sketch, [what, text]]))),
    );
    sketches = longer.slice(0, MOST_TRIED);
  }
  return sketches;
}

/** Requests that break one thing that a match rules out. */
function exceptionsOf(match: MatchSpec): Sketch[] {
  return valuesOf(match)
    .filter(([, { not }]) => not)
    .flatMap(([what, condition]) =>
      textsFor([{ ...condition, not: false }]).map((text) => [what, text] as const),
    )
    .flatMap(([what, text]) => (text === undefined ? [] : [new Map([[what, text]])]));
}

/** For everything that a match asks about, the texts that may do; undefined: leaving it out may. */
function textsOf(match: MatchSpec): [what: string, texts: readonly (string | undefined)[]][] {
  const byWhat = new Map<string, ValueMatchSpec[]>();
  for (const [what, condition] of valuesOf(match)) byWhat.set(what, [...(byWhat.get(what) ?? []), condition]);
  return [
    ...(match.method === undefined ? [] : [['method', [match.method]] as [string, string[]]]),
    ...(match.path === undefined ? [] : [['path', pathsFor(match.path)] as [string, string[]]]),
    ...[...byWhat].map(([what, all]): [string, readonly (string | undefined)[]] => [what, textsFor(all)]),
  ];
}

function valuesOf({ headers, query, cookies }: MatchSpec): [what: string, condition: ValueMatchSpec][] {
  const of = (kind: string, all: readonly ValueMatchSpec[]) =>
    all.map((condition): [string, ValueMatchSpec] => [`${kind} ${condition.name}`, condition]);
  return [...of('header', headers), ...of('query', query), ...of('cookie', cookies)];
}

function textsFor(conditions: readonly ValueMatchSpec[]): readonly (string | undefined)[] {
  const asked = conditions.filter(({ not }) => !not);
  if (asked.length === 0) return [undefined, ANY];
  const prefix = asked.find((condition) => condition.prefix !== undefined)?.prefix ?? '';
  const suffix = asked.find((condition) => condition.suffix !== undefined)?.suffix ?? '';
  return [
    ...asked.flatMap(({ exact }) => exact ?? []),
    `${prefix}${ANY}${suffix}`,
    ...asked.flatMap(({ regex }) => (regex === undefined ? [] : (sampleOf(regex) ?? []))),
  ];
}

function pathsFor({ exact, prefix, regex }: NonNullable<MatchSpec['path']>): string[] {
  if (exact !== undefined) return [exact];
  if (prefix !== undefined) return [`${prefix.replace(/\/+$/, '')}/${ANY}`];
  const sample = regex === undefined ? undefined : sampleOf(regex);
  return sample === undefined ? [`/${ANY}`] : [`/${ANY}`, sample];
}

function toRequest(sketch: Sketch): RequestView {
  const of = (kind: string) =>
    [...sketch]
      .filter(([what]) => what.startsWith(`${kind} `))
      .map(([what, value]) => [what.slice(kind.length + 1), value] as const);
  const pairs = (kind: string, separator: string) =>
    of(kind)
      .map(([name, value]) => `${name}=${value}`)
      .join(separator);
  const [query, cookies] = [pairs('query', '&'), pairs('cookie', '; ')];
  return plainRequest({
    method: sketch.get('method') ?? ANY,
    path: `${sketch.get('path') ?? `/${ANY}`}${query === '' ? '' : `?${query}`}`,
    headers: [...of('header'), ...(cookies === '' ? [] : [['cookie', cookies] as const])],
  });
}
