import { readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../../src/lifecycle/operator-error.js';

/**
 * Takes a data directory for this process. A lock whose process is gone is taken over.
 *
 * @returns what gives it back.
 * @throws OperatorError naming the process that has it.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'lock');
  for (;;) {
    try {
      await writeFile(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
      return () => unlink(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = await ownerOf(path);
    // In a container every process may be number 1: our own number in the file is from an earlier life.
    if (owner !== undefined && owner !== process.pid && isAlive(owner)) {
      throw new OperatorError(
        `the data directory ${directory} is in use by process ${owner}; give each control plane its own --data-dir`,
      );
    }
    await unlink(path).catch(() => {});
  }
}

async function ownerOf(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  return pid > 0 ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
