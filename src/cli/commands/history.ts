import type { Command } from 'commander';
import type { ChangeResponse, HistoryEntryMessage, HistoryResponse } from '../../api/config-service.js';
import { fromStruct } from '../../api/struct.js';
import { formatAuthor } from '../../model/author.js';
import { formatTable } from '../../telemetry/text-table.js';
import { addFlags, type Flags, isSwitch, readFlags, wholeNumber } from '../flags.js';
import { print, printJson } from '../terminal.js';
import {
  CHANGE_FLAGS,
  CLIENT_FLAGS,
  EXPECT_REVISION_FLAG,
  FORCE_FLAG,
  NAMESPACE_FLAG,
  OUTPUT_FLAG,
  qualifiedName,
  reportChange,
  withClient,
} from './shared.js';

/** `history` and `undo`: who changed what, and back. */

const HISTORY_FLAGS = {
  limit: {
    name: 'limit',
    argument: 'N',
    help: 'newest changes to show; 0: all that are kept',
    default: '20',
    parse: wholeNumber(0, 1_000_000),
  },
  documents: {
    name: 'documents',
    help: 'with -o json: each change with the document that it left',
    default: 'false',
    parse: isSwitch,
  },
  ...NAMESPACE_FLAG,
  ...CLIENT_FLAGS,
  ...OUTPUT_FLAG,
} as const satisfies Flags;

const UNDO_FLAGS = {
  ...NAMESPACE_FLAG,
  to: {
    name: 'to',
    argument: 'REVISION',
    help: 'put back what was in force at this revision of "roost history"',
    parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  },
  ...FORCE_FLAG,
  ...EXPECT_REVISION_FLAG,
  ...CHANGE_FLAGS,
} as const satisfies Flags;

export function addHistory(program: Command): void {
  const command = program
    .command('history')
    .argument('[name]', 'one service: checkout, checkout.shop or shop/checkout')
    .summary('show who changed what, and when')
    .description(
      'Shows what was changed, newest first: the revision that the change made, when, who made it (by their own ' +
        'account, with the address that the call came from), and what it changed. The newest 1,000 changes are kept.',
    )
    .addHelpText('after', '\nExample:\n  roost history checkout.shop\n  roost history --limit 5 -o json');
  addFlags(command, HISTORY_FLAGS).action(async (name: string | undefined) => {
    const flags = readFlags(command, HISTORY_FLAGS);
    const request = {
      name: qualifiedName(name ?? '', name === undefined ? '' : flags.namespace),
      limit: flags.limit,
      documents: flags.documents,
    };
    const response = await withClient(flags, (client) => client.call<HistoryResponse>('History', request));
    if (flags.output === 'json') printJson(response.entries.map(plain));
    else print(describe(response, name === undefined));
  });
}

export function addUndo(program: Command): void {
  const command = program
    .command('undo')
    .argument('<name>', 'checkout, checkout.shop or shop/checkout')
    .summary('put a service back to what it was')
    .description(
      'Puts a service back to what it was before its last change, or at a revision, and waits until every connected ' +
        'sidecar has it. That is a change like others: undoing twice does the last change again.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost undo checkout.shop\n  roost undo checkout.shop --to 41\n  roost undo checkout.shop --expect-revision 43',
    );
  addFlags(command, UNDO_FLAGS).action(async (given: string) => {
    const flags = readFlags(command, UNDO_FLAGS);
    const name = qualifiedName(given, flags.namespace);
    await withClient(flags, async (client) => {
      const response = await client.call<ChangeResponse>('Undo', {
        name,
        toRevision: flags.to ?? 0,
        expectedRevision: flags.expectRevision ?? 0,
        force: flags.force,
      });
      const summary = response.differences.flatMap((difference) => difference.summary).join('; ');
      await reportChange(client, response, flags, `${name} undone${summary === '' ? '' : ` (${summary})`}`);
    });
  });
}

function describe({ entries, more }: HistoryResponse, all: boolean): string {
  if (entries.length === 0) return 'no changes are kept';
  const header = ['REVISION', 'FROM', 'WHEN', 'WHO', 'ACTION', ...(all ? ['SERVICE'] : []), 'CHANGE'];
  const table = formatTable(
    header,
    entries.flatMap((entry) => rows(entry, all)),
  );
  return more === 0 ? table : `${table}\nand ${more} older; --limit 0 shows them all`;
}

/** A line for each matter; only the first has what they share. */
function rows(entry: HistoryEntryMessage, all: boolean): string[][] {
  const { revision, fromRevision, at, by, action, key, summary } = entry;
  const shared = [
    String(revision),
    fromRevision === 0 ? '-' : String(fromRevision),
    at.replace(/\.\d+Z$/, 'Z'),
    formatAuthor(by) || '-',
    action || '-',
    ...(all ? [key] : []),
  ];
  const lines = summary.length === 0 ? ['no difference'] : summary;
  return lines.map((line, i) => [...shared.map((cell) => (i === 0 ? cell : '')), line]);
}

function plain({ document, ...entry }: HistoryEntryMessage): object {
  return document === null ? entry : { ...entry, document: fromStruct(document) };
}
