import { readdirSync, readFileSync } from 'node:fs';

/** Time in which a thread had something to do, in milliseconds: it ran, or waited for a core. */
export type ThreadWork = ReadonlyMap<string, number>;

/** `/proc/PID/task/TID/schedstat`: nanoseconds on a core and waiting for one (sched-stats in the kernel's documentation). */
export function parseSchedstat(text: string): number {
  const [ran = 0, waited = 0] = text.split(' ').map(Number);
  return (ran + waited) / 1e6;
}

/** Of every thread of a process; undefined where the system does not tell. */
export function threadWorkOf(pid: number): ThreadWork | undefined {
  try {
    const folder = `/proc/${pid}/task`;
    return new Map(
      readdirSync(folder).map((tid) => [
        tid,
        parseSchedstat(readFileSync(`${folder}/${tid}/schedstat`, 'utf8')),
      ]),
    );
  } catch {
    return undefined;
  }
}

/**
 * How much of a time the busiest threads had something to do, on average.
 *
 * @param threads how many of them count
 */
export function shareWithWork(
  before: ThreadWork,
  after: ThreadWork,
  elapsedMs: number,
  threads: number,
): number {
  const spent = [...after].map(([tid, ms]) => ms - (before.get(tid) ?? 0)).sort((a, b) => b - a);
  return spent.slice(0, threads).reduce((sum, ms) => sum + ms, 0) / threads / elapsedMs;
}
