#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EXIT, explainFailure } from './exit.js';
import { createProgram } from './program.js';
import { printError } from './terminal.js';

const EXIT_GRACE_MS = 1000;

/** The gRPC library writes lines of its own to standard error; what has failed is told in ours. */
process.env.GRPC_VERBOSITY ??= 'NONE';

/** The reader of the output may stop reading: `roost get | head -1`. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.done);
  });
}

async function main(): Promise<void> {
  try {
    await (await createProgram(process.argv[2])).parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
      return;
    }
    const { lines, exitCode } = explainFailure(error);
    printError(lines.join('\n'));
    process.exitCode = exitCode;
    // Whatever is still open must not keep a command alive that has failed.
    setTimeout(() => process.exit(exitCode), EXIT_GRACE_MS).unref();
  }
}

endWithReader();
await main();
