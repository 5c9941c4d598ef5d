import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatReport } from '../../import-ingress/format-report.js';
import { type Imported, importIngress } from '../../import-ingress/import-ingress.js';
import { readFiles } from '../../model/read-files.js';
import { parseYaml } from '../../model/yaml-source.js';
import { CommandError, EXIT } from '../exit.js';
import { addFlags, type Flags, isSwitch, oneOf, readFlags, text, type Values } from '../flags.js';
import { formatYaml } from '../format-yaml.js';
import { readStandardInput } from '../standard-input.js';
import { print, printError, printJson } from '../terminal.js';
import { MANIFESTS_FLAG } from './file-flags.js';

const FLAGS = {
  ...MANIFESTS_FLAG,
  namespace: {
    name: 'namespace',
    short: 'n',
    argument: 'NAME',
    help: 'namespace of objects that name none',
    default: 'default',
    parse: text,
  },
  output: {
    name: 'output',
    short: 'o',
    argument: 'FORMAT',
    help: 'yaml, for "roost apply"; or json, with the report in it',
    default: 'yaml',
    parse: oneOf(['yaml', 'json']),
  },
  report: {
    name: 'report',
    argument: 'FILE',
    help: 'write the report there too, as JSON',
    default: '',
    parse: text,
  },
  strict: {
    name: 'strict',
    help: 'print no service and end with 1 if anything was left out',
    default: 'false',
    parse: isSwitch,
  },
} as const satisfies Flags;

const HELP = `
A primary Ingress and its canary become one MeshService: the Services are its
versions; the canary's header, cookie and weight are its routes; session
affinity is its affinity. The services go to standard output, the report to
standard error. It says of every annotation and field whether it maps exactly,
changes meaning (and how), or has no counterpart. docs/from-ingress-nginx.md
has the whole table, and a guide for moving a service.

Service, EndpointSlice, Endpoints and Deployment objects in the same files tell
ports and pods. Without them a version is found by DNS, as
SERVICE.NAMESPACE.svc.cluster.local:PORT.

Exit code: 0 done (the report lists what was left out), 1 something was left
out and --strict was given, 2 nothing could be imported.

Examples:
  kubectl get ingress,service -n shop -o yaml > shop.yaml
  roost import ingress -f shop.yaml > services.yaml
  roost import ingress -f shop.yaml --strict | roost apply -f -
  roost import ingress -f manifests/ -o json --report report.json`;

export function addImport(program: Command): void {
  const parent = program
    .command('import')
    .summary('translate the configuration of other software')
    .description('Translates the configuration of other software into MeshServices.')
    .addHelpText('after', '\nExample:\n  roost import ingress -f shop.yaml > services.yaml');
  const command = parent
    .command('ingress')
    .summary('ingress-nginx manifests to MeshServices, with a report')
    .description(
      'Translates ingress-nginx manifests into MeshServices, and says what became of everything in them.',
    )
    .addHelpText('after', HELP);
  addFlags(command, FLAGS).action(async () => run(readFlags(command, FLAGS)));
}

async function run(flags: Values<typeof FLAGS>): Promise<void> {
  const files = readFiles(
    flags.file.filter((path) => path !== '-'),
    { pipes: true },
  );
  const input = flags.file.includes('-') ? parseYaml('-', await readStandardInput()) : undefined;
  const imported = importIngress(
    [...files.documents, ...(input?.documents ?? [])],
    [...files.problems, ...(input?.problems ?? [])],
    { namespace: flags.namespace },
  );
  printError(formatReport(imported.report));
  if (flags.report !== '') writeFileSync(flags.report, `${JSON.stringify(imported.report, null, 2)}\n`);
  const failure = whyFailed(imported, flags.strict);
  // A program gets its report in any case.
  if (flags.output === 'json')
    printJson({ services: failure ? [] : imported.services, report: imported.report });
  if (failure) throw failure;
  if (flags.output === 'yaml') showYaml(imported);
}

function whyFailed({ services, report }: Imported, strict: boolean): CommandError | undefined {
  if (services.length === 0) return new CommandError('nothing could be imported', EXIT.usage);
  const refused = report.refused.length;
  if (!strict || refused === 0) return undefined;
  return new CommandError(`${refused} left out, and --strict was given: no service is printed`);
}

function showYaml({ services, report }: Imported): void {
  const sources = new Map(report.services.map(({ key, from }) => [key, from]));
  const documents = services.map((service) => {
    const { name, namespace } = service.metadata;
    const from = sources.get(`${namespace}/${name}`) ?? [];
    return `# From Ingress ${from.join(', ')}\n${formatYaml(service)}`;
  });
  print(documents.join('---\n').trimEnd());
}
