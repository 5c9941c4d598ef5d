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

/** How often it is looked whether the process that ran `npx` is still there. */
const PARENT_LOOK_MS = 500;

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
    if (isRunByNpm()) onOrphaned(resolve);
  });
  running = await start();
  await signalled;
  await running.stop();
}

/**
 * `npx roost …` runs a shell that runs this process. A signal ends the two, as `kill $!` does, and does not get here:
 * the end of the parent stands for it.
 */
function isRunByNpm(environment = process.env): boolean {
  return environment.npm_command !== undefined;
}

function onOrphaned(callback: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, PARENT_LOOK_MS).unref();
}
