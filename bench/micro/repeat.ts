const WARM_UPS = 3;
const REPEATS = 9;

/**
 * Runs a piece of work again and again, the first few times only for the compiler.
 *
 * @param operations how many operations one run of the work does
 * @returns nanoseconds of the process's own user and system time (others may have the core) of one operation, once
 *   for each repeat
 */
export function nanosecondsEach(operations: number, work: () => void): number[] {
  for (let i = 0; i < WARM_UPS; i++) work();
  return Array.from({ length: REPEATS }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1e3) / operations;
  });
}
