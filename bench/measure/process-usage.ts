import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What a process, or a tree of them, has used so far. */
export interface Usage {
  /** User and system time of all its threads, in milliseconds. */
  readonly cpuMs: number;
  /** The same of children that have ended and been waited for; 0 where the system does not tell. */
  readonly endedChildrenMs: number;
  readonly residentBytes: number;
}

export interface ProcessRow extends Usage {
  readonly pid: number;
  readonly parent: number;
}

/** Linux counts CPU time in hundredths of a second for everybody to read (USER_HZ), whatever its own clock. */
const TICKS_PER_SECOND = 100;

/**
 * One line of `/proc/PID/stat`: field 4 is the parent, 14 to 17 are user and system time, own and of ended children
 * (proc(5)). The name in field
 * 2 may have spaces and brackets, so fields are counted from the last bracket.
 *
 * @param vmRssKib from `/proc/PID/status`, where it is exact
 */
export function parseProcStat(stat: string, vmRssKib: number): ProcessRow {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const toMs = (user: number, system: number) =>
    ((Number(fields[user]) + Number(fields[system])) * 1000) / TICKS_PER_SECOND;
  return {
    pid: Number.parseInt(stat, 10),
    parent: Number(fields[1]),
    cpuMs: toMs(11, 12),
    endedChildrenMs: toMs(13, 14),
    residentBytes: vmRssKib * 1024,
  };
}

/** Lines of `ps -A -o pid=,ppid=,time=,rss=`, for systems without `/proc`. */
export function parsePs(output: string): ProcessRow[] {
  return output
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length === 4)
    .map(([pid, parent, time, rss]) => ({
      pid: Number(pid),
      parent: Number(parent),
      cpuMs: parsePsTime(time as string),
      endedChildrenMs: 0,
      residentBytes: Number(rss) * 1024,
    }));
}

/** `[[days-]hours:]minutes:seconds[.hundredths]` → milliseconds. */
export function parsePsTime(time: string): number {
  const [days, clock] = time.includes('-') ? (time.split('-') as [string, string]) : ['0', time];
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return Math.round((Number(days) * 86_400 + seconds) * 1000);
}

/** Sum over a process and all its descendants that are alive. */
export function sumTree(rows: readonly ProcessRow[], root: number): Usage {
  const tree = new Set([root]);
  // Parents need not come before their children.
  for (let before = 0; before !== tree.size; ) {
    before = tree.size;
    for (const { pid, parent } of rows) if (tree.has(parent)) tree.add(pid);
  }
  const members = rows.filter(({ pid }) => tree.has(pid));
  return {
    cpuMs: members.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    endedChildrenMs: members.reduce((sum, { endedChildrenMs }) => sum + endedChildrenMs, 0),
    residentBytes: members.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
  };
}

/** What a process and its descendants have used until now. */
export function usageOf(root: number): Usage {
  return sumTree(process.platform === 'linux' ? readProc() : readPs(), root);
}

/**
 * CPU of one process's threads until now, in milliseconds, to the nanosecond where the system tells
 * (`/proc/PID/task/TID/schedstat`, first field): time in `/proc/PID/stat` is counted in ticks, which says little of a
 * process that is busy for a millisecond now and then.
 */
export function fineCpuMs(pid: number): number {
  try {
    const tasks = `/proc/${pid}/task`;
    const runNs = readdirSync(tasks).map((task) =>
      parseSchedstat(readFileSync(`${tasks}/${task}/schedstat`, 'utf8')),
    );
    return runNs.reduce((sum, ns) => sum + ns, 0) / 1e6;
  } catch {
    return usageOf(pid).cpuMs;
  }
}

/** Nanoseconds on a CPU: the first of three numbers. */
export function parseSchedstat(text: string): number {
  return Number(text.split(' ')[0]);
}

/**
 * Memory of one process that it shares with no other, in bytes: what one more sidecar on a machine costs, since all
 * share the pages of Node's program file. Undefined where the system does not tell.
 */
export function privateBytes(pid: number): number | undefined {
  try {
    return parsePrivateKib(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) * 1024;
  } catch {
    return undefined;
  }
}

/** Sum of the private lines of `/proc/PID/smaps_rollup`, in KiB. */
export function parsePrivateKib(text: string): number {
  const lines = [...text.matchAll(/^Private_(?:Clean|Dirty|Hugetlb):\s+(\d+) kB$/gm)];
  return lines.reduce((sum, [, kib]) => sum + Number(kib), 0);
}

function readProc(): ProcessRow[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        return [parseProcStat(stat, Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0))];
      } catch {
        // It has ended since the folder was read.
        return [];
      }
    });
}

function readPs(): ProcessRow[] {
  return parsePs(execFileSync('ps', ['-A', '-o', 'pid=,ppid=,time=,rss='], { encoding: 'utf8' }));
}
