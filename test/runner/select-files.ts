import { type Dirent, existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';

/** Folders with tests, the slowest first: a long file that starts last would keep one processor busy alone. */
const FOLDERS = ['test/cluster', 'test/e2e', 'test/interop', 'test/chaos', 'test/integration', 'test/unit'];

/** Built files under these hold what tests share, and are no tests. */
const NO_TESTS = /\/support\//;

/**
 * Finds the built test files for paths as a contributor types them: a test's source, its built file, or a folder of
 * either. No path: all tests.
 *
 * @param root the project's folder
 * @returns paths of built files, relative to `root`, in the order in which to start them, without repetition
 * @throws Error naming a path that has no tests
 */
export function selectFiles(root: string, paths: readonly string[]): string[] {
  const chosen = paths.length === 0 ? FOLDERS : paths;
  const files = chosen.flatMap((path) => {
    const found = testsUnder(root, path);
    if (found.length === 0 && paths.length > 0) throw new Error(`no tests found in ${path}`);
    return found;
  });
  return [...new Set(files)];
}

function testsUnder(root: string, path: string): string[] {
  const inProject = relative(root, resolve(root, path)).split(sep).join('/');
  const built = inProject.startsWith('dist/') || inProject === 'dist' ? inProject : `dist/${inProject}`;
  const file = built.replace(/\.ts$/, '.js');
  const found = join(root, file);
  if (!existsSync(found)) return [];
  if (!statSync(found).isDirectory()) return [file];
  const inside = readdirSync(found, { recursive: true, withFileTypes: true });
  return inside
    .map((entry: Dirent) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => name.endsWith('.test.js') && !NO_TESTS.test(name))
    .sort();
}
