import { usageOf } from '../measure/process-usage.js';
import type { RunningProcess } from '../processes.js';
import type { SpecialFigure } from '../report/results.js';

/**
 * Makes the figures of a measurement out of its rounds.
 *
 * @param name what all of them are about
 */
export function figureMaker<Round>(name: string, rounds: readonly Round[]) {
  return (what: string, unit: string, key: keyof Round, goal?: number): SpecialFigure => ({
    name: `${name}: ${what}`,
    unit,
    values: rounds.map((round) => Number(round[key])),
    goal,
  });
}

/** @returns what tells how much CPU each process has used since, in milliseconds */
export function watchCpu(...processes: readonly RunningProcess[]): () => number[] {
  const read = () => processes.map(({ pid }) => usageOf(pid).cpuMs);
  const before = read();
  return () => read().map((cpuMs, i) => cpuMs - (before[i] as number));
}
