import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Removes compiled files whose source is gone, and folders that this leaves empty. The compiler never does: without
 * it a test that was renamed runs under its old name, too, for as long as the build folder lives.
 *
 * @param dist the build folder; `dist/a/b.js` is compiled from `root/a/b.ts`
 * @returns the files removed, relative to `dist`
 */
export function removeStaleOutput(root: string, dist: string, folder = dist): string[] {
  const removed: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      removed.push(...removeStaleOutput(root, dist, path));
      if (readdirSync(path).length === 0) rmdirSync(path);
      continue;
    }
    const source = join(root, relative(dist, path).replace(COMPILED, '.ts'));
    if (!COMPILED.test(path) || existsSync(source)) continue;
    rmSync(path);
    removed.push(relative(dist, path));
  }
  return removed;
}

const COMPILED = /(\.d\.ts|\.js)(\.map)?$/;

/** Build step. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  removeStaleOutput(root, join(root, 'dist'));
}
