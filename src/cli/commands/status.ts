import type { Command } from 'commander';
import type { ClientStatus, StatusResponse } from '../../api/config-service.js';
import { formatTable } from '../../telemetry/text-table.js';
import { count } from '../await-clients.js';
import { addFlags, type Flags, readFlags } from '../flags.js';
import { formatAge, print, printJson } from '../terminal.js';
import { CLIENT_FLAGS, OUTPUT_FLAG, withClient } from './shared.js';

const FLAGS = { ...CLIENT_FLAGS, ...OUTPUT_FLAG } as const satisfies Flags;

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .summary('show the connected sidecars')
    .description('Shows every connected client, and what it has acknowledged or rejected.')
    .addHelpText('after', '\nExample:\n  roost status\n  roost status -o json');
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    await withClient(flags, async (client) => {
      const status = await client.call<StatusResponse>('Status', {});
      if (flags.output === 'json') printJson(status);
      else print(describe(status, Date.now()));
    });
  });
}

function describe(status: StatusResponse, nowMs: number): string {
  const { revision, services, clients, fileProblems, version, store } = status;
  const inSync = clients.filter((client) => client.inSync).length;
  const lines = [
    `revision ${revision}, ${count(services, 'service')}, ${count(clients.length, 'client')} (${inSync} in sync); store: ${store}; version ${version}`,
  ];
  if (fileProblems.length > 0)
    lines.push('', 'configuration files that are not in force:', ...fileProblems.map((p) => `  ${p}`));
  if (clients.length > 0) lines.push('', clientTable(clients, nowMs));
  const rejections = clients.flatMap(({ id, types }) =>
    types.flatMap(({ rejection }) => (rejection ? [{ id, ...rejection }] : [])),
  );
  if (rejections.length > 0) {
    lines.push(
      '',
      'rejected:',
      ...rejections.map(
        ({ id, type, reason, revision: at }) => `  ${id}: ${type} of revision ${at}: ${reason}`,
      ),
    );
  }
  return lines.join('\n');
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

function stateOf({ inSync, types }: ClientStatus): string {
  if (types.some(({ rejection }) => rejection !== null)) return 'REJECTED';
  return inSync ? 'in sync' : 'behind';
}
