import type { Command } from 'commander';
import type { SessionsResponse, SharedSessionMessage } from '../../api/config-service.js';
import { formatTable } from '../../telemetry/text-table.js';
import { addFlags, type Flags, readFlags, text, UsageError } from '../flags.js';
import { print, printJson } from '../terminal.js';
import { CLIENT_FLAGS, NAMESPACE_FLAG, OUTPUT_FLAG, qualifiedName, withClient } from './shared.js';

const FLAGS = {
  key: {
    name: 'key',
    argument: 'VALUE',
    help: 'show the pin of one session, by the value of its key: a user id, say',
    default: '',
    parse: text,
  },
  forget: {
    name: 'forget',
    argument: 'VALUE',
    help: 'unpin one session: its next request is placed as if it were its first',
    default: '',
    parse: text,
  },
  ...NAMESPACE_FLAG,
  ...CLIENT_FLAGS,
  ...OUTPUT_FLAG,
} as const satisfies Flags;

export function addSessions(program: Command): void {
  const command = program
    .command('sessions')
    .argument('<name>', 'checkout, checkout.shop or shop/checkout')
    .summary('show where sessions are pinned')
    .description(
      'Shows how many sessions of a service are pinned to each release and pod, each counted once, however many ' +
        'sidecars know it. Sessions whose pins travel in cookies are their clients’ own and not among them.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost sessions checkout.shop\n  roost sessions checkout.shop --key user-7\n  roost sessions checkout.shop --forget user-7',
    );
  addFlags(command, FLAGS).action(async (given: string) => {
    const flags = readFlags(command, FLAGS);
    const name = qualifiedName(given, flags.namespace);
    if (flags.key !== '' && flags.forget !== '')
      throw new UsageError(['--key and --forget do not go together: --forget shows what it unpins'], command);
    const [method, key] = flags.forget === '' ? ['Sessions', flags.key] : ['ForgetSession', flags.forget];
    const response = await withClient(flags, (client) =>
      client.call<SessionsResponse>(method, { name, key }),
    );
    if (flags.output === 'json') printJson(response);
    else print(describe(response, key, flags.forget !== ''));
  });
}

function describe(response: SessionsResponse, key: string, isForgotten: boolean): string {
  const lines = key === '' ? describeCounts(response) : describeSession(response, isForgotten);
  const cookies = response.inCookies.map((source) => `sessions by ${source} carry their pins in that cookie`);
  return [...lines, ...cookies].join('\n');
}

function describeCounts({ key, total, sidecars, counts }: SessionsResponse): string[] {
  const shared = `${key}: ${total} ${total === 1 ? 'session' : 'sessions'}, shared by ${sidecars} ${sidecars === 1 ? 'sidecar' : 'sidecars'}`;
  if (counts.length === 0) return [shared];
  const rows = counts.map(({ release, endpoint, source, sessions }) => [
    release || '(gone)',
    endpoint || '(gone)',
    source,
    String(sessions),
    `${((100 * sessions) / total).toFixed(1)} %`,
  ]);
  return [shared, formatTable(['RELEASE', 'ENDPOINT', 'KEY', 'SESSIONS', 'SHARE'], rows)];
}

function describeSession({ key, sessions }: SessionsResponse, isForgotten: boolean): string[] {
  if (sessions.length === 0) return [`${key}: no pin of such a session is shared`];
  return sessions.map((session) => `${key}: ${describePin(session)}${isForgotten ? '; unpinned' : ''}`);
}

function describePin(session: SharedSessionMessage): string {
  const { source, route, release, endpoint, label, generation, revision, idleSeconds } = session;
  const where = `${release || 'a release that is gone'}, endpoint ${endpoint || 'that is gone'}`;
  const of = route === '' ? source : `${source}, route ${route}`;
  const made = `made ${label ? 'by a label ' : ''}under revision ${revision}`;
  const again = generation === 0 ? '' : `, pinned again ${generation} ${generation === 1 ? 'time' : 'times'}`;
  return `${where} (${of}; ${made}${again}; last used ${idleSeconds} s ago)`;
}
