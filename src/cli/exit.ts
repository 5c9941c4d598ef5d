import { OperatorError } from '../lifecycle/operator-error.js';
import { UsageError } from './flags.js';

/** Exit codes that scripts rely on. */
export const EXIT = { done: 0, refused: 1, usage: 2 } as const;

/** The command was understood and did not succeed; the message is all a user needs. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = EXIT.refused,
  ) {
    super(message);
    this.name = 'CommandError';
  }
}

/** What to print for an error, and the exit code. A stack trace is only for errors that are ours. */
export function explainFailure(error: unknown): { readonly message: string; readonly exitCode: number } {
  if (error instanceof UsageError) return { message: error.message, exitCode: EXIT.usage };
  if (error instanceof CommandError) return { message: error.message, exitCode: error.exitCode };
  if (error instanceof OperatorError || isSystemError(error))
    return { message: error.message, exitCode: EXIT.refused };
  if (error instanceof Error) return { message: error.stack ?? error.message, exitCode: EXIT.refused };
  return { message: String(error), exitCode: EXIT.refused };
}

/** What the operating system says of a file or a socket: "EACCES: permission denied, mkdir '/var/lib/roost'". */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
