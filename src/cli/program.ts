import { Command } from 'commander';
import { VERSION } from '../version.js';
import { EXIT_CODES_HELP } from './exit.js';

type AddCommand = (program: Command) => void;

/** Every verb and where it is: only the one that is asked for is loaded, which keeps a sidecar small. */
const VERBS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  'control-plane': async () => (await import('./commands/control-plane.js')).addControlPlane,
  sidecar: async () => (await import('./commands/sidecar.js')).addSidecar,
  apply: async () => (await import('./commands/apply.js')).addApply,
  get: async () => (await import('./commands/get.js')).addGet,
  delete: async () => (await import('./commands/delete.js')).addDelete,
  split: async () => (await import('./commands/release.js')).addSplit,
  promote: async () => (await import('./commands/release.js')).addPromote,
  abort: async () => (await import('./commands/release.js')).addAbort,
  history: async () => (await import('./commands/history.js')).addHistory,
  undo: async () => (await import('./commands/history.js')).addUndo,
  backup: async () => (await import('./commands/backup.js')).addBackup,
  restore: async () => (await import('./commands/backup.js')).addRestore,
  plan: async () => (await import('./commands/plan.js')).addPlan,
  explain: async () => (await import('./commands/explain.js')).addExplain,
  sessions: async () => (await import('./commands/sessions.js')).addSessions,
  status: async () => (await import('./commands/status.js')).addStatus,
  bootstrap: async () => (await import('./commands/bootstrap.js')).addBootstrap,
  token: async () => (await import('./commands/token.js')).addToken,
  check: async () => (await import('./commands/check.js')).addCheck,
  redirect: async () => (await import('./commands/redirect.js')).addRedirect,
  inject: async () => (await import('./commands/inject.js')).addInject,
  uninject: async () => (await import('./commands/inject.js')).addUninject,
  import: async () => (await import('./commands/import-ingress.js')).addImport,
  diff: async () => (await import('./commands/diff.js')).addDiff,
  schema: async () => (await import('./commands/schema.js')).addSchema,
  completion: async () => (await import('./commands/completion.js')).addCompletion,
  version: async () => addVersion,
};

function addVersion(program: Command): void {
  program
    .command('version')
    .summary('print the version')
    .description("Prints this command's version. A control plane's is in `roost status`.")
    .addHelpText('after', '\nExample:\n  roost version')
    .action(() => void process.stdout.write(`${VERSION}\n`));
}

/** @param verb the first argument; whatever is no verb needs to know them all */
export async function createProgram(verb = ''): Promise<Command> {
  const program = new Command('roost')
    .description(
      'A service mesh for canary releases and sticky sessions, together, for the calls that no ingress sees.',
    )
    .version(VERSION, '-V, --version')
    .addHelpText('after', EXIT_CODES_HELP)
    .showHelpAfterError('(see --help)')
    // Every message of the command begins with its name. Set before the verbs are added: they inherit it.
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'roost: ')) })
    // What follows a command belongs to it: "plan split … --output json" is an option of "split".
    .enablePositionalOptions()
    .exitOverride();
  const asked = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  for (const load of asked === undefined ? Object.values(VERBS) : [asked]) (await load())(program);
  for (const command of program.commands) {
    command.exitOverride().showHelpAfterError('(see --help)');
    if (makesChanges(command)) command.addHelpText('after', EXIT_CODES_HELP);
  }
  return program;
}

/** Changes are waited for, unless `--no-wait` says otherwise. */
function makesChanges({ options }: Command): boolean {
  return options.some(({ long }) => long === '--no-wait');
}
