import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Tells a program that it runs in namespaces of its own. */
const ISOLATED = 'ROOST_CHAOS_ISOLATED';

export function isIsolated(): boolean {
  return process.env[ISOLATED] === '1';
}

/** Whether this user may make network and mount namespaces, and the tools for it are there. */
export function canIsolate(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync('unshare', ['--net', '--mount', 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' });
    return true;
  } catch {
    // The tools are not there, or a container forbids it: then there are fewer faults, and the report says so.
    return false;
  }
}

/**
 * Runs this program again, with the same arguments, in namespaces that go when it ends: packets that are lost there
 * and disks that are full there are nobody else's.
 *
 * @returns its exit code
 */
export async function runIsolated(program: string, args: readonly string[]): Promise<number> {
  const script = 'ip link set lo up && exec "$@"';
  const command = ['--net', '--mount', 'sh', '-c', script, 'sh', process.execPath, program, ...args];
  const child = spawn('unshare', command, { stdio: 'inherit', env: { ...process.env, [ISOLATED]: '1' } });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
