#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.js';
import { addApply } from './commands/apply.js';
import { addControlPlane } from './commands/control-plane.js';
import { addDelete } from './commands/delete.js';
import { addGet } from './commands/get.js';
import { addImport } from './commands/import-ingress.js';
import { addAbort, addPromote, addSplit } from './commands/release.js';
import { addSidecar } from './commands/sidecar.js';
import { addStatus } from './commands/status.js';
import { EXIT, explainFailure } from './exit.js';

function createProgram(): Command {
  const program = new Command('roost')
    .description(
      'A service mesh for canary releases and sticky sessions, together, for the calls that no ingress sees.',
    )
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(add --help for what there is)')
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
    addStatus,
    addImport,
  ];
  for (const addTo of add) addTo(program);
  program
    .command('version')
    .summary('print the version')
    .action(() => void process.stdout.write(`${VERSION}\n`));
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError('(add --help for what there is)');
  return program;
}

async function main(): Promise<void> {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
      return;
    }
    const { message, exitCode } = explainFailure(error);
    process.stderr.write(`roost: ${message}\n`);
    process.exitCode = exitCode;
  }
}

await main();
