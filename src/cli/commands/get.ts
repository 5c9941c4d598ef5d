import type { Command } from 'commander';
import type { ListResponse, ServiceMessage } from '../../api/config-service.js';
import { fromStruct } from '../../api/struct.js';
import { describeMatch } from '../../model/describe-match.js';
import { type MeshService, parseMeshService, parseServiceName } from '../../model/mesh-service.js';
import type { RouteSpec } from '../../model/schema.js';
import { formatTable } from '../../telemetry/text-table.js';
import { addFlags, type Flags, oneOf, readFlags, text, type Values } from '../flags.js';
import { formatYaml } from '../format-yaml.js';
import { print, printJson } from '../terminal.js';
import { CLIENT_FLAGS, showAndWatch, WATCH_FLAG, withClient } from './shared.js';

const FLAGS = {
  output: {
    name: 'output',
    short: 'o',
    argument: 'FORMAT',
    help: 'table, wide, yaml or json',
    default: 'table',
    parse: oneOf(['table', 'wide', 'yaml', 'json']),
  },
  namespace: {
    name: 'namespace',
    short: 'n',
    argument: 'NAME',
    help: 'only services of this namespace; where NAME has none, its namespace',
    default: '',
    parse: text,
  },
  ...WATCH_FLAG,
  ...CLIENT_FLAGS,
} as const satisfies Flags;

export function addGet(program: Command): void {
  const command = program
    .command('get')
    .argument('[name]', 'one service: checkout, checkout.shop or shop/checkout')
    .summary('show what is configured')
    .description('Shows the services that are configured, as a table or as the documents that "apply" takes.')
    .addHelpText('after', '\nExample:\n  roost get\n  roost get checkout.shop -o yaml > checkout.yaml');
  addFlags(command, FLAGS).action(async (name: string | undefined) => {
    const flags = readFlags(command, FLAGS);
    await withClient(flags, (client) =>
      showAndWatch(flags.watch, async () => {
        const services =
          name === undefined
            ? (await client.call<ListResponse>('List', { namespace: flags.namespace })).services
            : [
                await client.call<ServiceMessage>('Get', {
                  name: parseServiceName(name, flags.namespace || 'default'),
                }),
              ];
        return { state: services, show: () => show(services, name !== undefined, flags) };
      }),
    );
  });
}

function show(
  services: readonly ServiceMessage[],
  single: boolean,
  { output, namespace }: Values<typeof FLAGS>,
): void {
  const documents = services.map(({ document }) => fromStruct(document));
  if (output === 'json') printJson(single ? documents[0] : documents);
  else if (output === 'yaml') print(documents.map(formatYaml).join('---\n').trimEnd());
  else if (services.length === 0)
    print(`no services are configured${namespace === '' ? '' : ` in ${namespace}`}`);
  else print(table(services, output === 'wide'));
}

function table(services: readonly ServiceMessage[], wide: boolean): string {
  // Where callers need no credentials, nothing has to be granted.
  const reaches = wide && services.some(({ granted, withheld }) => granted.length + withheld.length > 0);
  const header = [
    'NAMESPACE',
    'NAME',
    'STABLE',
    'ROUTE',
    'MATCH',
    'SPLIT',
    'AFFINITY',
    'REVISION',
    ...(wide ? ['HOSTS', ...(reaches ? ['GRANTED'] : []), 'FILE'] : []),
  ];
  const rows = services.flatMap((message) => {
    const service = parseMeshService(fromStruct(message.document));
    return service.spec.routes.map((route, i) => row(service, route, message, i === 0, { wide, reaches }));
  });
  return formatTable(header, rows);
}

/** Columns that not every table has. */
interface Columns {
  readonly wide: boolean;
  readonly reaches: boolean;
}

function row(
  service: MeshService,
  route: RouteSpec,
  message: ServiceMessage,
  first: boolean,
  { wide, reaches }: Columns,
): string[] {
  const split = (route.split ?? []).map(({ version, weight }) => `${version}=${weight}`).join(' ');
  const { affinity, hosts } = service.spec;
  const own = (cell: string) => (first ? cell : '');
  return [
    own(service.namespace),
    own(service.name),
    own(service.spec.stable),
    route.name,
    describeMatch(route.match),
    split,
    own(affinity ? `${affinity.version}/${affinity.endpoint}` : 'none'),
    own(String(message.revision)),
    ...(wide ? [own(describeHosts(hosts, message))] : []),
    ...(reaches ? [own(describeReach(message))] : []),
    ...(wide ? [own(message.file || '-')] : []),
  ];
}

/** What is granted besides hosts, and endpoints that no client is sent. */
function describeReach({ granted, withheld }: ServiceMessage): string {
  return [...granted, ...withheld.map((address) => `${address} (not granted)`)].join(',') || '-';
}

/** Hosts that lead every caller to a service, and those that do not. */
function describeHosts(hosts: readonly string[], { localHosts, takenHosts }: ServiceMessage): string {
  const described = hosts.map((host) => {
    if (takenHosts.includes(host)) return `${host} (taken)`;
    return localHosts.includes(host) ? `${host} (own namespace)` : host;
  });
  return described.join(',') || '-';
}
