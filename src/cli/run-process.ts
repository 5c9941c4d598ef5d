/** A process that serves until it is told to stop. */
export interface Running {
  /** Finishes what is under way. */
  stop(): Promise<void>;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Starts something, waits for SIGTERM or SIGINT, and stops it in good order. A signal that comes while it starts
 * counts once it has; a second one ends the process at once.
 */
export async function runUntilSignalled(start: () => Promise<Running>): Promise<void> {
  const signalled = new Promise<void>((resolve) => {
    const onSignal = () => {
      for (const signal of SIGNALS) process.off(signal, onSignal).on(signal, () => process.exit(1));
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
  });
  const running = await start();
  await signalled;
  await running.stop();
}
