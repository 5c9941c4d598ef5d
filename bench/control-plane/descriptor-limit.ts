import { readFileSync } from 'node:fs';
import { type MeasurementName, type ScaleOptions, ScaleUsageError } from './options.js';

/** Files, timers and the like of a process besides its connections. */
const OTHERS = 200;

/** The largest fleet of each measurement. */
const FLEET: Readonly<Partial<Record<MeasurementName, number>>> = {
  churn: 1000,
  reconnect: 5000,
  memory: 5000,
  sparse: 5000,
  live: 5000,
};

/**
 * Checks that processes may have a descriptor for each sidecar. Node raises its own limit as far as the system lets
 * it, so that it is the hard limit that counts.
 *
 * @throws ScaleUsageError naming what would do
 */
export function checkDescriptors(
  options: Pick<ScaleOptions, 'only' | 'sidecars'>,
  limit = hardLimit(),
): void {
  const fleets = options.only.map((name) =>
    name === 'change' ? Math.max(...options.sidecars) : (FLEET[name] ?? 0),
  );
  const needed = Math.max(...fleets) + OTHERS;
  if (limit === undefined || needed <= limit) return;
  throw new ScaleUsageError(
    `a process may have ${limit} files open, and ${needed} are needed; raise the limit ("ulimit -Hn ${needed}" as root), or measure less (--sidecars, --only)`,
  );
}

/** Undefined: none, or nobody says. */
function hardLimit(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  return parseHardLimit(readFileSync('/proc/self/limits', 'utf8'));
}

/** Of `/proc/PID/limits`: soft limit, then hard limit. */
export function parseHardLimit(limits: string): number | undefined {
  const [, hard] = /^Max open files +\S+ +(\d+)/m.exec(limits) ?? [];
  return hard === undefined ? undefined : Number(hard);
}
