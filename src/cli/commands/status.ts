import type { Command } from 'commander';
import type {
  ClientStatus,
  DriftMessage,
  ReleaseLoad,
  ReplicaStatus,
  StatusResponse,
} from '../../api/config-service.js';
import { commandName, type ServiceKey } from '../../model/mesh-service.js';
import { printable } from '../../telemetry/printable.js';
import { formatTable } from '../../telemetry/text-table.js';
import { count } from '../await-clients.js';
import { addFlags, type Flags, readFlags } from '../flags.js';
import { formatAge, print, printJson } from '../terminal.js';
import { CLIENT_FLAGS, OUTPUT_FLAG, showAndWatch, WATCH_FLAG, withClient } from './shared.js';

const FLAGS = { ...WATCH_FLAG, ...CLIENT_FLAGS, ...OUTPUT_FLAG } as const satisfies Flags;

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .summary('show the connected sidecars')
    .description('Shows every connected client, and what it has acknowledged or rejected.')
    .addHelpText('after', '\nExample:\n  roost status\n  roost status -w\n  roost status -o json');
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    await withClient(flags, (client) =>
      showAndWatch(flags.watch, async () => {
        const status = await client.call<StatusResponse>('Status', {});
        const text = flags.output === 'json' ? undefined : describe(status, Date.now());
        const show = () => (text === undefined ? printJson(status) : print(text));
        return { state: text ?? status, show };
      }),
    );
  });
}

const SESSIONS_NOTE =
  'SESSIONS are those that sidecars keep; a session with a cookie of Roost is kept by its client, and not counted.';

function describe(status: StatusResponse, nowMs: number): string {
  const { revision, services, clients, fileProblems, version, store, storeProblem, replica } = status;
  const inSync = clients.filter((client) => client.inSync).length;
  const lines = [
    `revision ${revision}, ${count(services, 'service')}, ${count(clients.length, 'client')} (${inSync} in sync); store: ${store}; control plane ${replica}, version ${version}`,
  ];
  if (storeProblem !== '') lines.push('', `changes are refused: ${storeProblem}`);
  if (status.warnings.length > 0)
    lines.push(
      '',
      'claims that no admin has approved:',
      ...status.warnings.map((warning) => `  ${printable(warning)}`),
    );
  if (status.unserved.length > 0)
    lines.push(
      '',
      'stored services that are not served, since this version refuses them:',
      ...status.unserved.map((service) => `  ${printable(service)}`),
    );
  if (status.others.length > 0) lines.push('', replicaTable(status.others));
  if (fileProblems.length > 0)
    lines.push('', 'configuration files that are not in force:', ...fileProblems.map((p) => `  ${p}`));
  if (status.filesWaiting.length > 0)
    lines.push('', 'configuration files that wait:', ...status.filesWaiting.map((text) => `  ${text}`));
  if (clients.length > 0) lines.push('', clientTable(clients, nowMs));
  const drift = clients.flatMap(({ id, drift }) => drift.map((resource) => ({ id, ...resource })));
  if (drift.length > 0) lines.push('', 'not running what is served:', ...drift.map(describeDrift));
  const alone = clients.filter(({ notSharingSinceMs }) => notSharingSinceMs > 0);
  if (alone.length > 0)
    lines.push(
      '',
      'sidecars that do not share pins of sessions (docs/sessions.md):',
      ...alone.map(describeAlone),
    );
  if (status.load.length > 0) lines.push('', loadTable(status.load), SESSIONS_NOTE);
  const down = status.load.filter((load) => isReported(load) && load.usableEndpoints === 0);
  if (down.length > 0) lines.push('', 'releases without a usable endpoint:', ...down.map(describeDown));
  const rejections = clients.flatMap(({ id, types }) =>
    types.flatMap(({ rejection }) => (rejection ? [{ id, ...rejection }] : [])),
  );
  if (rejections.length > 0) {
    lines.push(
      '',
      'rejected:',
      ...rejections.map(
        ({ id, type, reason, revision: at }) =>
          `  ${printable(id)}: ${type} of revision ${at}: ${printable(reason)}`,
      ),
    );
  }
  return lines.join('\n');
}

/** Control planes over the same store; clients are listed by the one that they are connected to. */
function replicaTable(others: readonly ReplicaStatus[]): string {
  return formatTable(
    ['OTHER CONTROL PLANE', 'VERSION', 'REVISION', 'CLIENTS', 'IN SYNC'],
    [...others]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, version, revision, clients, settled }) => [
        name,
        version,
        String(revision),
        String(clients),
        String(settled),
      ]),
  );
}

function clientTable(clients: readonly ClientStatus[], nowMs: number): string {
  const header = ['CLIENT', 'KIND', 'SERVICE', 'RELEASE', 'PROTOCOL', 'AGE', 'STATE'];
  return formatTable(
    header,
    clients.map((client) => [
      client.id || '?',
      client.agent || '?',
      client.service === '' ? '-' : `${client.service}.${client.namespace}`,
      client.release || '-',
      client.protocol,
      formatAge(nowMs - client.connectedAtMs),
      stateOf(client),
    ]),
  );
}

const DRIFT_WORDS: Readonly<Record<string, string>> = {
  'not-sent': 'the newest version waits to be sent',
  unanswered: 'the newest version was sent and is not answered',
  rejected: 'the newest version was rejected',
  waiting: 'the newest version waits for what it names',
};

function describeDrift({ id, type, name, state }: DriftMessage & { readonly id: string }): string {
  return `  ${printable(id)}: ${type} ${printable(name)}: ${DRIFT_WORDS[state] ?? state}`;
}

function describeAlone({ id, notSharingSinceMs }: ClientStatus): string {
  return `  ${printable(id)}: since ${new Date(notSharingSinceMs).toISOString()}`;
}

function loadTable(loads: readonly ReleaseLoad[]): string {
  const header = ['SERVICE', 'RELEASE', 'SPLIT', 'ENDPOINTS', 'REQUESTS/S', 'SUCCESS'];
  const more = ['MEAN LATENCY', 'IN FLIGHT', 'SESSIONS', 'FAILOVERS'];
  return formatTable([...header, ...more], loads.map(loadRow));
}

function loadRow(load: ReleaseLoad): string[] {
  const { service, release, requestsPerSecond, successRate, latencyMs, inFlight, pins, failovers } = load;
  return [
    commandName(service as ServiceKey),
    release,
    load.splitTotal === 0 ? '-' : `${shareOf(load)} %`,
    isReported(load) ? `${load.usableEndpoints}/${load.endpoints}` : '-',
    requestsPerSecond.toFixed(1),
    requestsPerSecond === 0 ? '-' : `${(successRate * 100).toFixed(2)} %`,
    latencyMs === 0 ? '-' : `${latencyMs.toFixed(1)} ms`,
    String(inFlight),
    String(pins),
    String(failovers),
  ];
}

/** Percent, with as many digits as it takes. */
function shareOf({ splitWeight, splitTotal }: ReleaseLoad): string {
  return String(Math.round((splitWeight / splitTotal) * 10_000) / 100);
}

/** A sidecar calls the release, or would if it had a usable endpoint. */
function isReported({ endpoints, failovers }: ReleaseLoad): boolean {
  return endpoints > 0 || failovers > 0;
}

function describeDown({ service, release, endpoints, failovers }: ReleaseLoad): string {
  const name = `${commandName(service as ServiceKey)} ${release}`;
  const taken = failovers === 0 ? '' : `; other releases took ${count(failovers, 'request')} of it so far`;
  const which = endpoints === 0 ? 'it has no endpoint' : `none of ${count(endpoints, 'endpoint')} is usable`;
  return `  ${name}: ${which}${taken}`;
}

function stateOf({ inSync, types }: ClientStatus): string {
  if (types.some(({ rejection }) => rejection !== null)) return 'REJECTED';
  return inSync ? 'in sync' : 'behind';
}
