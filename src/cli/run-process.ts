/** A process that serves until it is told to stop. */
export interface Running {
  /** Finishes what is under way. */
  stop(): Promise<void>;
  /** Has {@link stop} wait for nothing more. Without it, a second signal ends the process as it is. */
  hurry?(): void;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** Longest that a stop which waits for nothing more may take: it closes what is open and writes the last lines. */
const HURRY_MS = 3000;

/**
 * Starts something, waits for SIGTERM or SIGINT, and stops it in good order. A signal that comes while it starts counts
 * once it has. A second one has it cut off what is left; where it cannot do that, or not in time, or at a third one,
 * the process ends with code 1.
 */
export async function runUntilSignalled(start: () => Promise<Running>): Promise<void> {
  let running: Running | undefined;
  let signals = 0;
  const signalled = new Promise<void>((resolve) => {
    const onSignal = () => {
      signals++;
      if (signals === 1) resolve();
      else if (signals === 2 && running?.hurry !== undefined) {
        running.hurry();
        setTimeout(() => process.exit(1), HURRY_MS).unref();
      } else process.exit(1);
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
  });
  running = await start();
  await signalled;
  await running.stop();
}
