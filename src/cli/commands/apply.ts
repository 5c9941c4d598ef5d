import type { Command } from 'commander';
import type { ChangeResponse } from '../../api/config-service.js';
import { toStruct } from '../../api/struct.js';
import { parseMeshService } from '../../model/mesh-service.js';
import { InvalidResourceError, type Problem } from '../../model/problems.js';
import { readFiles } from '../../model/read-files.js';
import {
  formatLocated,
  type LocatedProblem,
  parseYaml,
  type SourceDocument,
} from '../../model/yaml-source.js';
import { type ControlPlaneClient, RejectedDocumentsError } from '../client.js';
import { CommandError, EXIT } from '../exit.js';
import { addFlags, type Flags, isSwitch, readFlags, text, wholeNumber } from '../flags.js';
import { readStandardInput } from '../standard-input.js';
import { print } from '../terminal.js';
import { CHANGE_FLAGS, reportChange, withClient } from './shared.js';

const FLAGS = {
  file: {
    name: 'file',
    short: 'f',
    argument: 'FILE',
    help: 'YAML file, folder, or - for standard input',
    required: true,
    repeatable: true,
    parse: text,
  },
  dryRun: {
    name: 'dry-run',
    help: 'check everything against the control plane, change nothing',
    default: 'false',
    parse: isSwitch,
  },
  expectRevision: {
    name: 'expect-revision',
    argument: 'N',
    help: 'refuse unless the service is at this revision (0: does not exist yet)',
    parse: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  },
  ...CHANGE_FLAGS,
} as const satisfies Flags;

export function addApply(program: Command): void {
  const command = program
    .command('apply')
    .summary('put services in force')
    .description('Puts MeshServices in force, all or none, and waits until every connected sidecar has them.')
    .addHelpText('after', '\nExample:\n  roost apply -f checkout.yaml\n  cat *.yaml | roost apply -f -');
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    const documents = await readDocuments(flags.file);
    await withClient(flags, async (client) => {
      const response = await send(client, documents, flags);
      const what = documents.map(nameOf).join(', ');
      if (flags.dryRun) print(`${what}: valid; nothing was changed`);
      else await reportChange(client, response, flags, what);
    });
  });
}

async function readDocuments(paths: readonly string[]): Promise<SourceDocument[]> {
  const files = readFiles(paths.filter((path) => path !== '-'));
  const input = paths.includes('-')
    ? parseYaml('-', await readStandardInput())
    : { documents: [], problems: [] };
  const documents = [...files.documents, ...input.documents];
  const problems = [...files.problems, ...input.problems, ...documents.flatMap(check)];
  if (problems.length > 0) throw refusal(problems);
  if (documents.length === 0)
    throw new CommandError(`${paths.join(', ')}: no MeshService in there`, EXIT.usage);
  return documents;
}

function check(document: SourceDocument): LocatedProblem[] {
  try {
    parseMeshService(document.value);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidResourceError)) throw error;
    return error.problems.map((problem) => locate(document, problem));
  }
}

interface SendOptions {
  readonly expectRevision: number | undefined;
  readonly dryRun: boolean;
}

async function send(
  client: ControlPlaneClient,
  documents: readonly SourceDocument[],
  options: SendOptions,
): Promise<ChangeResponse> {
  if (options.expectRevision !== undefined && documents.length > 1) {
    throw new CommandError('--expect-revision takes one service at a time', EXIT.usage);
  }
  try {
    return await client.call<ChangeResponse>('Apply', {
      documents: documents.map(({ value }) => toStruct(value as object)),
      expectedRevision: options.expectRevision ?? 0,
      expect: options.expectRevision !== undefined,
      dryRun: options.dryRun,
    });
  } catch (error) {
    if (!(error instanceof RejectedDocumentsError)) throw error;
    throw refusal(
      error.problems.map((problem) => locate(documents[problem.document] as SourceDocument, problem)),
    );
  }
}

function refusal(problems: readonly LocatedProblem[]): CommandError {
  return new CommandError([...problems.map(formatLocated), 'nothing was applied'].join('\n'), EXIT.usage);
}

function locate(document: SourceDocument, problem: Problem): LocatedProblem {
  return { ...problem, file: document.file, ...document.locate(problem.path) };
}

function nameOf({ value }: SourceDocument): string {
  const { name, namespace = 'default' } = (value as { metadata: { name: string; namespace?: string } })
    .metadata;
  return `${name}.${namespace}`;
}
