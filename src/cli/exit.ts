import { OperatorError } from '../lifecycle/operator-error.js';
import { UsageError } from './flags.js';

/**
 * Exit codes that scripts rely on. `unknown`: a change was sent, and what became of it cannot be found out. `partly`:
 * a change is stored, and not every sidecar is known to run it. With `refused` and `usage`, nothing was changed.
 */
export const EXIT = { done: 0, refused: 1, usage: 2, unknown: 3, partly: 4 } as const;

/** The same for `--help`; docs/operations.md has more. */
export const EXIT_CODES_HELP = `
Exit codes:
  0  done; every connected sidecar has the change
  1  refused, or no control plane was reached: nothing was changed
  2  the command line or a document is wrong: nothing was changed
  3  the change was sent, and it is not known whether it was made
  4  the change is stored, and not every sidecar is known to have it`;

/** The command was understood and did not succeed; the message is all a user needs. */
export class CommandError extends Error {
  /** @param details printed before the message, a line each: the problems, by file and line */
  constructor(
    message: string,
    readonly exitCode: 1 | 2 | 3 | 4 = EXIT.refused,
    readonly details: readonly string[] = [],
  ) {
    super(message);
    this.name = 'CommandError';
  }
}

/** No control plane was reached, or the connection to it broke: to ask again may help. */
export class ConnectionError extends CommandError {}

export interface Failure {
  /** What to print on standard error. */
  readonly lines: readonly string[];
  readonly exitCode: number;
}

/** What to print for an error, and the exit code. A stack trace is only for errors that are ours. */
export function explainFailure(error: unknown): Failure {
  if (error instanceof UsageError)
    return { lines: [...error.problems, `roost: ${error.message}`], exitCode: EXIT.usage };
  if (error instanceof CommandError)
    return { lines: [...error.details, `roost: ${error.message}`], exitCode: error.exitCode };
  if (error instanceof OperatorError || isSystemError(error))
    return { lines: [`roost: ${error.message}`], exitCode: EXIT.refused };
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { lines: [`roost: ${text}`], exitCode: EXIT.refused };
}

/** What the operating system says of a file or a socket: "EACCES: permission denied, mkdir '/var/lib/roost'". */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
