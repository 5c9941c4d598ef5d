/**
 * Waits for SIGTERM or SIGINT and then stops; a second signal ends the process at once.
 *
 * @param stop finishes what is under way
 */
export async function untilSignalled(stop: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1));
  await stop();
}
