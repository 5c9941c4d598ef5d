import { execFile, execFileSync } from 'node:child_process';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from './folder.js';
import type { Owner } from './owner.js';

/** An earlier version of Roost, built from the git history. */
export interface EarlierVersion {
  /** For a test's `skip`: why there is none here; false where there is, or where there has to be. */
  readonly skip: string | false;
  /** @returns its command, as {@link RoostProcess} takes it */
  build(t: Owner): Promise<string>;
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

/** Whoever owns the clone: nothing of it is run. */
const GIT = ['-c', 'safe.directory=*', '-C', ROOT];

/** The version before the commit that added a file. */
export function versionBefore(file: string): EarlierVersion {
  return version(parentOfAddition(file), `before ${file}`);
}

/** The version of a commit: a hash, or another name that git knows. */
export function versionAt(name: string): EarlierVersion {
  return version(commitNamed(name), `of ${name}`);
}

function version(commit: string | undefined, which: string): EarlierVersion {
  const mayBeMissing = process.env.ROOST_REQUIRE_PEERS !== '1';
  return {
    skip: commit === undefined && mayBeMissing && `the git history ${which} is not here`,
    build: async (t) => {
      if (commit === undefined) throw new Error(`the git history ${which} is not here, and is asked for`);
      return build(await temporaryFolder(t), commit);
    },
  };
}

/** Undefined: no git, no repository, or a clone without that part of the history. */
function parentOfAddition(file: string): string | undefined {
  const added = git('log', '--diff-filter=A', '--format=%H', '--', file)?.split('\n').at(-1);
  return added ? commitNamed(`${added}^`) : undefined;
}

function commitNamed(name: string): string | undefined {
  return git('rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`);
}

/** What git says of this repository; undefined where it cannot. */
function git(...args: string[]): string | undefined {
  const run = (...command: string[]) =>
    execFileSync('git', [...GIT, ...command], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    // A folder inside of another repository has none of its own.
    return run('rev-parse', '--show-prefix') === '' ? run(...args) : undefined;
  } catch {
    return undefined;
  }
}

/** As `npm run build` does, but for types, which were checked when it was the present, and tests. */
async function build(folder: string, commit: string): Promise<string> {
  const archive = join(folder, 'version.tar');
  await run('git', [...GIT, 'archive', '--format=tar', '--output', archive, commit]);
  await run('tar', ['-x', '-f', archive, '-C', folder]);
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const config = {
    extends: './tsconfig.json',
    compilerOptions: { noCheck: true, sourceMap: false },
    include: ['src', 'sidecar', 'control-plane'],
  };
  await writeFile(join(folder, 'tsconfig.version.json'), JSON.stringify(config));
  const node = (script: string, ...args: string[]) =>
    run(process.execPath, [script, ...args], { cwd: folder });
  await node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.version.json');
  await node('dist/src/xds/bundle/write-bundle.js');
  return join(folder, 'dist/src/cli/main.js');
}
