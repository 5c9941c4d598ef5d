#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.js';
import { addApply } from './commands/apply.js';
import { addBootstrap } from './commands/bootstrap.js';
import { addControlPlane } from './commands/control-plane.js';
import { addDelete } from './commands/delete.js';
import { addExplain } from './commands/explain.js';
import { addGet } from './commands/get.js';
import { addImport } from './commands/import-ingress.js';
import { addPlan } from './commands/plan.js';
import { addAbort, addPromote, addSplit } from './commands/release.js';
import { addSidecar } from './commands/sidecar.js';
import { addStatus } from './commands/status.js';
import { addToken } from './commands/token.js';
import { EXIT, explainFailure } from './exit.js';

function createProgram(): Command {
  const program = new Command('roost')
    .description(
      'A service mesh for canary releases and sticky sessions, together, for the calls that no ingress sees.',
    )
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(add --help for what there is)')
    // What follows a command belongs to it: "plan split … --output json" is an option of "split".
    .enablePositionalOptions()
    .exitOverride();
  const add = [
    addControlPlane,
    addSidecar,
    addApply,
    addGet,
    addDelete,
    addSplit,
    addPromote,
    addAbort,
    addPlan,
    addExplain,
    addStatus,
    addBootstrap,
    addToken,
    addImport,
  ];
  for (const addTo of add) addTo(program);
  program
    .command('version')
    .summary('print the version')
    .description("Prints this command's version. A control plane's is in `roost status`.")
    .addHelpText('after', '\nExample:\n  roost version')
    .action(() => void process.stdout.write(`${VERSION}\n`));
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError('(add --help for what there is)');
  return program;
}

const EXIT_GRACE_MS = 1000;

/** Whoever reads the output may stop reading it: `roost get | head -1`. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.done);
  });
}

async function main(): Promise<void> {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
      return;
    }
    const { lines, exitCode } = explainFailure(error);
    process.stderr.write(`${lines.join('\n')}\n`);
    process.exitCode = exitCode;
    // Whatever is still open must not keep a command alive that has failed.
    setTimeout(() => process.exit(exitCode), EXIT_GRACE_MS).unref();
  }
}

endWithReader();
await main();
