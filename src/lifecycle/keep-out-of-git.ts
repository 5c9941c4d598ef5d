import { access, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

const CONTENT = '# Made by Roost: what is in here holds secrets.\n*\n';

/**
 * Has git ignore a directory with secrets where it lies in a work tree: `git add .` would publish them. A
 * `.gitignore` that is there already is the operator's, and stays.
 */
export async function keepOutOfGit(directory: string): Promise<void> {
  if (!(await isInWorkTree(resolve(directory)))) return;
  try {
    await writeFile(join(directory, '.gitignore'), CONTENT, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function isInWorkTree(directory: string): Promise<boolean> {
  for (let at = directory; ; at = dirname(at)) {
    const found = await access(join(at, '.git')).then(
      () => true,
      () => false,
    );
    if (found || at === dirname(at)) return found;
  }
}
