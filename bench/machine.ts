import { execFileSync, spawnSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { onPath } from './processes.js';
import type { MachineDescription } from './report/results.js';

/** What a reader needs to judge the figures, and nothing that says whose machine it is. */
export function describeMachine(): MachineDescription {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
  };
}

export function toolVersions(): Record<string, string> {
  const wrk =
    onPath('wrk') === undefined ? undefined : /wrk (\S+)/.exec(String(spawnSync('wrk', ['-v']).stdout))?.[1];
  return {
    node: process.versions.node,
    wrk: wrk ?? 'missing: our own generator, which costs more, saturates',
  };
}

/** Short hash of what is checked out, with a `+` where files differ from it. */
export function currentCommit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}

/** Which cores the proxy gets, and which the load and the backends. */
export interface Placement {
  readonly proxyCores: string | undefined;
  readonly loadCores: string | undefined;
  /** Number of cores for load and backends together. */
  readonly loadCoreCount: number;
  /** For the report. */
  readonly note: string;
}

export function placeOnCores(): Placement {
  const count = cpus().length;
  if (count < 2 || onPath('taskset') === undefined) {
    const why = count < 2 ? 'there is one core' : 'there is no taskset';
    const note = `not pinned to cores: ${why}`;
    return { proxyCores: undefined, loadCores: undefined, loadCoreCount: Math.max(1, count - 1), note };
  }
  const rest = count === 2 ? '1' : `1-${count - 1}`;
  return {
    proxyCores: '0',
    loadCores: rest,
    loadCoreCount: count - 1,
    note: `proxy pinned to core 0, load and backends to ${rest}`,
  };
}
