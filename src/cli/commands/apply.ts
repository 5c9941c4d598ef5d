import type { Command } from 'commander';
import type { ChangeResponse } from '../../api/config-service.js';
import { PlainDocument } from '../../api/documents-codec.js';
import { checkDocuments, locateProblem } from '../../model/check-documents.js';
import { cookieNotes } from '../../model/cookie-rules.js';
import { unfoldLists } from '../../model/lists.js';
import { readFiles } from '../../model/read-files.js';
import { formatLocated, parseYaml, type SourceDocument } from '../../model/yaml-source.js';
import type { ControlPlaneClient } from '../client.js';
import { CommandError, EXIT } from '../exit.js';
import { addFlags, type Flags, isSwitch, oneOf, readFlags, wholeNumber } from '../flags.js';
import { allowanceMs, sizeOf, whileShown } from '../large-change.js';
import { RejectedDocumentsError } from '../rejected-documents.js';
import { readStandardInput } from '../standard-input.js';
import { print, printJson } from '../terminal.js';
import { DOCUMENTS_FLAG } from './file-flags.js';
import { CHANGE_FLAGS, changeJson, FORCE_FLAG, reportChange, withClient } from './shared.js';

const FLAGS = {
  ...DOCUMENTS_FLAG,
  dryRun: {
    name: 'dry-run',
    help: 'check everything against the control plane, change nothing',
    default: 'false',
    parse: isSwitch,
  },
  expectRevision: {
    name: 'expect-revision',
    argument: 'N',
    help: 'refuse unless the service is at this revision (0: does not exist yet), and tell what was changed since',
    parse: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  },
  grant: {
    name: 'grant',
    argument: 'MODE',
    help: 'what becomes of what is approved beyond the namespace (docs/tenancy.md): listed, what the documents claim, if you are an admin of all namespaces; keep; none',
    default: 'listed',
    parse: oneOf(['listed', 'keep', 'none']),
  },
  ...FORCE_FLAG,
  ...CHANGE_FLAGS,
} as const satisfies Flags;

export function addApply(program: Command): void {
  const command = program
    .command('apply')
    .summary('put services in force')
    .description('Puts MeshServices in force, all or none, and waits until every connected sidecar has them.')
    .addHelpText(
      'after',
      '\nExample:\n  roost apply -f checkout.yaml\n  roost apply -f services/ --dry-run\n  cat *.yaml | roost apply -f -',
    );
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    const documents = await readDocuments(flags.file);
    await withClient(flags, async (client) => {
      const response = await send(client, documents, flags);
      const what = namesOf(documents);
      if (flags.dryRun) reportDryRun(response, flags, what);
      else await reportChange(client, response, flags, what);
      if (flags.output === 'text') for (const note of documentNotes(documents)) print(note);
      if (flags.dryRun) return;
      if (flags.output === 'text') for (const note of hostNotes(response)) print(note);
    });
  });
}

/** The documents of these files and of standard input (`-`), checked. @throws CommandError naming every problem */
export async function readDocuments(paths: readonly string[]): Promise<SourceDocument[]> {
  const files = readFiles(
    paths.filter((path) => path !== '-'),
    { pipes: true },
  );
  const input = paths.includes('-')
    ? parseYaml('-', await readStandardInput())
    : { documents: [], problems: [] };
  const { documents, problems: unread } = unfoldLists({
    documents: [...files.documents, ...input.documents],
    problems: [...files.problems, ...input.problems],
  });
  const problems = [...unread, ...checkDocuments(documents)];
  if (problems.length > 0) throw refusal(problems.map(formatLocated));
  if (documents.length === 0)
    throw new CommandError(`${paths.join(', ')}: no MeshService in there`, EXIT.usage);
  return documents;
}

interface SendOptions {
  readonly expectRevision: number | undefined;
  readonly dryRun: boolean;
  readonly grant: 'listed' | 'keep' | 'none';
  readonly force: boolean;
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
    const values = documents.map(({ value }) => value as object);
    const request = {
      documents: values.map((value) => new PlainDocument(value)),
      expectedRevision: options.expectRevision ?? 0,
      expect: options.expectRevision !== undefined,
      dryRun: options.dryRun,
      grant: options.grant === 'listed' ? '' : options.grant,
      force: options.force,
    };
    const call = client.call<ChangeResponse>('Apply', request, allowanceMs(sizeOf(values)));
    return await whileShown(`the control plane checks ${namesOf(documents)}`, call);
  } catch (error) {
    throw located(error, documents);
  }
}

/** What the control plane refuses of these documents, at its places in their files; any other error as it is. */
export function located(error: unknown, documents: readonly SourceDocument[]): unknown {
  if (!(error instanceof RejectedDocumentsError)) return error;
  const problems = error.problems.map((problem) =>
    formatLocated(locateProblem(documents[problem.document] as SourceDocument, problem)),
  );
  return refusal([...problems, ...(error.more > 0 ? [`and ${error.more} more`] : [])]);
}

function refusal(problems: readonly string[]): CommandError {
  return new CommandError('nothing was applied', EXIT.usage, problems);
}

function reportDryRun(
  response: ChangeResponse,
  { output }: { readonly output: 'text' | 'json' },
  what: string,
): void {
  if (output === 'json') printJson({ ...changeJson(response), dryRun: true });
  else print(`${what}: valid, ${response.changed ? 'would be changed' : 'no change'}; nothing was applied`);
}

/** Of more services than this, people are told how many there are. */
const MOST_NAMED = 20;

function namesOf(documents: readonly SourceDocument[]): string {
  return documents.length > MOST_NAMED ? `${documents.length} services` : documents.map(nameOf).join(', ');
}

function nameOf({ value }: SourceDocument): string {
  const { name, namespace = 'default' } = (value as { metadata: { name: string; namespace?: string } })
    .metadata;
  return `${name}.${namespace}`;
}

/** What is in force all the same, and may surprise. */
function documentNotes(documents: readonly SourceDocument[]): string[] {
  return documents.flatMap((document) =>
    cookieNotes(document.value).map((note) => `note: ${formatLocated(locateProblem(document, note))}`),
  );
}

/** Hosts that do not lead everybody to a service, although it lists them. */
function hostNotes({ services }: Pick<ChangeResponse, 'services'>): string[] {
  return services.flatMap(({ key, localHosts, takenHosts, withheld }) => [
    ...(localHosts.length === 0
      ? []
      : [
          `${key}: ${localHosts.join(', ')} for callers in "${key.split('/')[0]}" only; an admin of all namespaces may grant it to all`,
        ]),
    ...withheld.map((address) => `${key}: ${address} is not granted, and sent to no client`),
    ...takenHosts.map((host) => `${key}: ${host} leads to the service of that name instead`),
  ]);
}
