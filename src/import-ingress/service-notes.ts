import { RE2JS } from 're2js';
import type { MeshServiceInput } from '../model/schema.js';
import type { PathInput, RouteInput } from './document.js';

/** What the operator of an imported service should know of it. */
export function notesOn(service: MeshServiceInput): string[] {
  const { spec } = service;
  const notes: string[] = [];
  const splits = (spec.routes ?? []).filter(({ split }) => (split?.length ?? 0) > 1).map(({ name }) => name);
  if (splits.length > 1)
    notes.push(
      `its paths have settings of their own, so the weights are on ${splits.join(', ')}: roost split takes --route`,
    );
  if (spec.affinity?.key.some(({ cookie }) => cookie !== undefined))
    notes.push(
      'a caller that keeps no cookies gets a new session with every call: put a header that tells users apart before the cookie in affinity.key, such as - header: x-user-id',
    );
  const unserved = noteOnPaths(service);
  return unserved === undefined ? notes : [...notes, unserved];
}

/** Paths that a caller may well try; the first that no route takes is the example. */
const TRIED = ['/a', '/other', '/'];
const MOST_NAMED = 3;

/** Callers that dialled the Service itself, past the edge, knew nothing of the paths of its Ingress. */
function noteOnPaths({ metadata, spec }: MeshServiceInput): string | undefined {
  const routes = spec.routes ?? [];
  const paths = routes.flatMap(pathsOf);
  const example = TRIED.find((path) => !paths.some((condition) => takes(condition, path)));
  if (example === undefined) return undefined;
  const name = `${metadata.name}.${metadata.namespace ?? 'default'}`;
  const named = [...new Set(paths.flatMap((path) => path?.exact ?? path?.prefix ?? path?.regex ?? []))];
  const more = named.length > MOST_NAMED ? ` and ${named.length - MOST_NAMED} more` : '';
  const served = `only ${named.slice(0, MOST_NAMED).join(', ')}${more} ${named.length === 1 ? 'is' : 'are'} routed, as in ingress-nginx`;
  const rewritten = rewrittenPath(routes, example);
  const instead =
    rewritten === undefined ? '' : ` (what the app serves as ${example} is ${name}${rewritten})`;
  return `${served}: ${name}${example} is answered 404 no-route${instead}; for callers that dial the service itself, add a last route without "match"`;
}

/** Undefined: every path. */
function pathsOf({ match }: RouteInput): readonly (PathInput | undefined)[] {
  return match === undefined ? [undefined] : match.map(({ path }) => path);
}

function takes(condition: PathInput | undefined, path: string): boolean {
  if (condition === undefined) return true;
  const { exact, prefix, regex } = condition;
  if (exact !== undefined) return exact === path;
  if (prefix !== undefined) return `${path}/`.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
  return regex !== undefined && RE2JS.compile(regex).testExact(path);
}

/** What a caller has to ask for where a prefix of the path is taken away. */
function rewrittenPath(routes: readonly RouteInput[], path: string): string | undefined {
  const route = routes.find(({ rewrite }) => rewrite?.prefix === '/');
  const prefix = route?.match?.find((match) => match.path?.prefix !== undefined)?.path?.prefix;
  return prefix === undefined ? undefined : `${prefix}${path}`;
}
