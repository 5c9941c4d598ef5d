import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ChangeResponse } from '../../api/config-service.js';
import { writeDurably } from '../../lifecycle/durable-file.js';
import { formatProblem } from '../../model/problems.js';
import type { ControlPlaneClient } from '../client.js';
import { CommandError, EXIT } from '../exit.js';
import { addFlags, type Flags, isSwitch, readFlags, text, UsageError } from '../flags.js';
import { restoreTimeoutMs, whileShown } from '../large-change.js';
import { RejectedDocumentsError } from '../rejected-documents.js';
import { print, printJson } from '../terminal.js';
import { CHANGE_FLAGS, CLIENT_FLAGS, changeJson, reportChange, withClient } from './shared.js';

/** `backup` and `restore`: everything that a control plane keeps, as one file. */

const BACKUP_FLAGS = {
  outputFile: {
    name: 'output-file',
    short: 'o',
    argument: 'FILE',
    help: 'file to write; without it, standard output',
    default: '',
    parse: text,
  },
  ...CLIENT_FLAGS,
} as const satisfies Flags;

const RESTORE_FLAGS = {
  dryRun: {
    name: 'dry-run',
    help: 'check the file and show what would change, change nothing',
    default: 'false',
    parse: isSwitch,
  },
  ...CHANGE_FLAGS,
} as const satisfies Flags;

export function addBackup(program: Command): void {
  const command = program
    .command('backup')
    .summary('write everything that is configured into a file')
    .description(
      "Writes everything that the control plane keeps into a file: services, their history and the key of sessions' " +
        'pins, with a checksum. A reader of the file can forge pins: keep it as you keep passwords.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost backup -o roost-$(date +%F).backup\n  roost backup | age -r … > roost.age',
    );
  addFlags(command, BACKUP_FLAGS).action(async () => {
    const flags = readFlags(command, BACKUP_FLAGS);
    if (flags.outputFile === '' && process.stdout.isTTY)
      throw new UsageError(
        ['a backup is no text: name a file with -o, or send standard output to one'],
        command,
      );
    const { file } = await withClient(flags, (client) => client.call<{ file: Buffer }>('Backup', {}));
    if (flags.outputFile === '') process.stdout.write(file);
    else {
      await writeDurably(flags.outputFile, file, 0o600);
      print(`${flags.outputFile}: ${file.length} bytes, ${describeHeader(file)}`);
    }
  });
}

export function addRestore(program: Command): void {
  const command = program
    .command('restore')
    .argument('<file>', 'file that "roost backup" wrote')
    .summary('put everything back to what a backup has')
    .description(
      'Puts everything back to what a backup has, in one change, and waits until every connected sidecar has it. ' +
        'Services that the backup does not have are deleted. A damaged file is refused, and nothing is changed.',
    )
    .addHelpText('after', '\nExample:\n  roost restore roost.backup --dry-run\n  roost restore roost.backup');
  addFlags(command, RESTORE_FLAGS).action(async (path: string) => {
    const flags = readFlags(command, RESTORE_FLAGS);
    const file = await readFile(path);
    await withClient(flags, async (client) => {
      const response = await send(client, path, file, flags.dryRun);
      if (flags.output === 'text') showDifferences(response);
      if (!flags.dryRun) await reportChange(client, response, flags, `${path} restored`);
      else if (flags.output === 'json') printJson({ ...changeJson(response), dryRun: true });
      else print(`${path}: whole; ${response.changed ? 'nothing was restored' : 'nothing would change'}`);
    });
  });
}

async function send(
  client: ControlPlaneClient,
  path: string,
  file: Buffer,
  dryRun: boolean,
): Promise<ChangeResponse> {
  try {
    const call = client.call<ChangeResponse>('Restore', { file, dryRun }, restoreTimeoutMs(file.length));
    return await whileShown('the control plane checks the backup', call);
  } catch (error) {
    if (error instanceof RejectedDocumentsError) {
      const problems = error.problems.map(
        (problem) => `${path}: service ${problem.document}: ${formatProblem(problem)}`,
      );
      throw new CommandError('nothing was restored', EXIT.refused, problems);
    }
    if (error instanceof CommandError && error.exitCode === EXIT.usage)
      throw new CommandError(`nothing was restored: ${path} ${error.message}`, EXIT.usage);
    throw error;
  }
}

function showDifferences({ differences }: ChangeResponse): void {
  for (const { key, summary } of differences) print(`${key}: ${summary.join('; ')}`);
}

/** What the file's first line says of it. */
function describeHeader(file: Buffer): string {
  const header = JSON.parse(file.toString('utf8', 0, file.indexOf(0x0a))) as {
    readonly services: number;
    readonly revision: number;
  };
  return `${header.services} services at revision ${header.revision}`;
}
