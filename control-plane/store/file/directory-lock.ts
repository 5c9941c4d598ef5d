import { readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { OperatorError } from '../../../src/lifecycle/operator-error.js';

/** After a stale lock was replaced, how long others who found it stale at the same moment may still do so. */
const SETTLE_MS = 50;

/** The process that a lock names. */
interface Owner {
  readonly pid: number;
  /** Tells the process from others that had or will have its number; empty where the system does not say. */
  readonly start: string;
}

/**
 * Takes a data directory for this process. A lock whose process is gone is taken over, even if its number has
 * gone to another process since. Processes that cannot see each other (containers that share a volume) are not
 * kept apart.
 *
 * @returns what gives it back.
 * @throws OperatorError naming the process that has it.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'lock');
  const mine = `${process.pid} ${await startOf(process.pid)}\n`;
  if (!(await create(path, mine))) {
    const owner = await ownerOf(path);
    if (owner !== undefined && (await isRunning(owner))) throw inUse(directory, owner.pid);
    await replace(path, mine);
    await wait(SETTLE_MS);
    const winner = await ownerOf(path);
    if (winner !== undefined && winner.pid !== process.pid) throw inUse(directory, winner.pid);
  }
  return async () => {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text === mine) await unlink(path);
  };
}

async function create(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function replace(path: string, text: string): Promise<void> {
  const own = `${path}.${process.pid}`;
  await writeFile(own, text, { mode: 0o600 });
  await rename(own, path);
}

async function ownerOf(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const [pid = '', start = ''] = text.trim().split(' ');
  return /^[1-9]\d*$/.test(pid) ? { pid: Number(pid), start } : undefined;
}

async function isRunning({ pid, start }: Owner): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const startNow = await startOf(pid);
  if (start !== '' && startNow !== '') return start === startNow;
  // In a container every process may be number 1: our own number in the file is from an earlier life.
  return pid !== process.pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process started, as the machine's boot and its clock ticks since (Linux only; see proc(5)). */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // Fields from the third on follow the command's name, which stands in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A killed process whose parent has not waited for it yet has a number and no files.
    return fields[0] === 'Z' ? 'ended' : `${boot}:${fields[19]}`;
  } catch {
    return '';
  }
}

function inUse(directory: string, pid: number): OperatorError {
  return new OperatorError(
    `the data directory ${directory} is in use by process ${pid}; give each control plane its own --data-dir`,
  );
}
