import type { Command } from 'commander';
import type { ListResponse } from '../../api/config-service.js';
import { fromStruct } from '../../api/struct.js';
import { describeChange } from '../../model/describe-change.js';
import { parseMeshService, type ServiceKey, serviceKey } from '../../model/mesh-service.js';
import type { MeshServiceInput } from '../../model/schema.js';
import { EXIT } from '../exit.js';
import { addFlags, type Flags, readFlags } from '../flags.js';
import { print, printJson } from '../terminal.js';
import { readDocuments } from './apply.js';
import { DOCUMENTS_FLAG } from './file-flags.js';
import { CLIENT_FLAGS, OUTPUT_FLAG, withClient } from './shared.js';

const FLAGS = {
  ...DOCUMENTS_FLAG,
  ...CLIENT_FLAGS,
  ...OUTPUT_FLAG,
} as const satisfies Flags;

/** What "roost apply" would change in one service; no lines: nothing. */
interface Difference {
  readonly service: ServiceKey;
  readonly changes: readonly string[];
}

export function addDiff(program: Command): void {
  const command = program
    .command('diff')
    .summary('show what "apply" would change')
    .description(
      'Compares files with what is in force, and shows what "roost apply" would change. Services that no file names are ' +
        'left out. Exit code 0: nothing would change; 1: something would, or the command failed; 2: a document is wrong.',
    )
    .addHelpText('after', '\nExample:\n  roost diff -f services/');
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    const documents = (await readDocuments(flags.file)).map(({ value }) => value as MeshServiceInput);
    const current = await withClient(flags, (client) => client.call<ListResponse>('List', { namespace: '' }));
    const differences = compare(documents, current);
    if (flags.output === 'json') printJson(differences);
    else print(describe(differences));
    if (differences.some(({ changes }) => changes.length > 0)) process.exitCode = EXIT.refused;
  });
}

function compare(documents: readonly MeshServiceInput[], { services }: ListResponse): Difference[] {
  const inForce = new Map(services.map(({ key, document }) => [key, document]));
  return documents.map((document) => {
    const service = serviceKey(parseMeshService(document));
    const before = inForce.get(service);
    return {
      service,
      changes: describeChange(before && (fromStruct(before) as unknown as MeshServiceInput), document),
    };
  });
}

function describe(differences: readonly Difference[]): string {
  const changed = differences.filter(({ changes }) => changes.length > 0);
  if (changed.length === 0) return 'nothing would change';
  return changed
    .flatMap(({ service, changes }) => [`${service}:`, ...changes.map((line) => `  ${line}`)])
    .join('\n');
}
