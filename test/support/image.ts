import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Test } from 'tap';
import { ROOT } from './compose.js';
import { copiesOf, type Stage } from './dockerfile.js';

/** Packages that `npm ci --omit=dev` installs at the top level. */
function productionPackages(): string[] {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  return Object.entries(lock.packages).flatMap(([path, { dev }]) => {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path);
    return found && dev !== true ? [found[1] as string] : [];
  });
}

/**
 * A folder with what a stage of the Dockerfile copies and nothing else: the built files, and production packages
 * only. It takes this build for the `build` stage and this `node_modules` for `dependencies`.
 *
 * @returns what is `/app` in the image
 */
export function layOutImage(t: Test, stage: Stage): string {
  const app = mkdtempSync(join(tmpdir(), 'roost-image-'));
  t.teardown(() => rmSync(app, { recursive: true, force: true }));
  for (const { from, sources, target } of copiesOf(stage)) {
    for (const source of sources) {
      const path = source.replace(/^\/build\//, '');
      if (from === 'dependencies') linkPackages(path, join(app, target));
      else cpSync(join(ROOT, path), destination(app, target, path, sources.length), { recursive: true });
    }
  }
  return app;
}

/** COPY puts a folder's contents, or a file by its name where the target is a folder. */
function destination(app: string, target: string, path: string, sources: number): string {
  return sources > 1 || target.endsWith('/') ? join(app, target, basename(path)) : join(app, target);
}

/** `node_modules` whole, or `node_modules/undici` alone. */
function linkPackages(path: string, target: string): void {
  const only = /^node_modules\/(.+)$/.exec(path)?.[1];
  const names = productionPackages().filter((name) => only === undefined || name === only);
  for (const name of names) {
    const link = only === undefined ? join(target, name) : target;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
}
