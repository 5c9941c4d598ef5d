import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** One import of a module of the same tree: both are paths from the tree's root, with `/`. */
export interface ImportEdge {
  readonly from: string;
  readonly to: string;
}

const IMPORT = /^(?:import|export)\b[^;]*?\bfrom\s+'(\.{1,2}\/[^']+)'|\bimport\('(\.{1,2}\/[^']+)'\)/gms;

/** Every import between the TypeScript files below a folder, types included. @param root a folder of the checkout */
export function importsWithin(root: string): readonly ImportEdge[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  return files.flatMap((from) =>
    [...readFileSync(join(root, from), 'utf8').matchAll(IMPORT)].flatMap(([, still, dynamic]) => {
      const to = relative(root, join(root, dirname(from), (still ?? dynamic) as string));
      return to.startsWith('..') ? [] : [{ from, to: to.replace(/\.js$/, '.ts') }];
    }),
  );
}

/**
 * The imports that go upwards in a list of folders, lowest first, as `a/x.ts → b/y.ts`. A file in the list has a place
 * of its own.
 *
 * @throws Error where a file lies in a folder that is not in the list
 */
export function importsUpwards(edges: readonly ImportEdge[], lowestFirst: readonly string[]): string[] {
  const rank = (file: string): number => {
    const own = lowestFirst.indexOf(file);
    const at = own === -1 ? lowestFirst.indexOf(dirname(file)) : own;
    if (at === -1) throw new Error(`${dirname(file)} has no place in the order of folders`);
    return at;
  };
  return edges.filter(({ from, to }) => rank(to) > rank(from)).map(({ from, to }) => `${from} → ${to}`);
}

/** Circles of files that import each other, each named by its files in order. */
export function circlesOf(edges: readonly ImportEdge[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const finished = new Set<string>();
  const path: string[] = [];
  const circles: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at !== -1) circles.push([...path.slice(at), file].join(' → '));
    if (at !== -1 || finished.has(file)) return;
    path.push(file);
    for (const each of next.get(file) ?? []) visit(each);
    path.pop();
    finished.add(file);
  };
  for (const file of next.keys()) visit(file);
  return circles;
}
