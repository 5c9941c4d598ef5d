import type { Command } from 'commander';
import type { ChangeResponse } from '../../api/config-service.js';
import { addFlags, type Flags, readFlags, text, UsageError, type Values } from '../flags.js';
import {
  CHANGE_FLAGS,
  DRAIN_FLAG,
  EXPECT_REVISION_FLAG,
  FORCE_FLAG,
  LABELS_FLAG,
  NAMESPACE_FLAG,
  qualifiedName,
  reportChange,
  withClient,
} from './shared.js';

/** `split`, `promote` and `abort`: what operators do to a running canary. */

const RELEASE_FLAGS = {
  ...NAMESPACE_FLAG,
  ...EXPECT_REVISION_FLAG,
  ...FORCE_FLAG,
  ...CHANGE_FLAGS,
} as const satisfies Flags;

const SPLIT_FLAGS = {
  route: {
    name: 'route',
    argument: 'ROUTE',
    help: 'route to split: by default the one named "default", else the one without conditions',
    default: '',
    parse: text,
  },
  ...RELEASE_FLAGS,
} as const satisfies Flags;

const ABORT_FLAGS = {
  ...DRAIN_FLAG,
  ...LABELS_FLAG,
  ...RELEASE_FLAGS,
} as const satisfies Flags;

export function addSplit(program: Command): void {
  const command = program
    .command('split')
    .argument('<name>', 'checkout, checkout.shop or shop/checkout')
    .argument('<version=weight...>', 'every version that is to have traffic, such as v1=90 v2=10')
    .summary('set the weights of a split')
    .description(
      'Sets the weights of a route. A version with weight 0 keeps its sessions and gets no new ones; one that is ' +
        'not listed loses them at once. The order does not matter: versions keep their places in the split.',
    )
    .addHelpText('after', '\nExample:\n  roost split checkout.shop v1=90 v2=10');
  addFlags(command, SPLIT_FLAGS).action(async (given: string, entries: string[]) => {
    const flags = readFlags(command, SPLIT_FLAGS);
    const name = qualifiedName(given, flags.namespace);
    const request = { split: parseSplit(entries, command), route: flags.route };
    await operate('Split', name, request, flags, `${name} split ${entries.join(' ')}`);
  });
}

export function addPromote(program: Command): void {
  const command = program
    .command('promote')
    .argument('<name>', 'checkout, checkout.shop or shop/checkout')
    .argument('<release>', 'the version that becomes stable')
    .summary('make a release stable and give it all traffic')
    .description(
      'Makes a release stable and the only one of every split. Its sessions stay where they are. Routes that name ' +
        'another release under a condition stay, and are listed. "roost undo" takes a promotion back; an abort does not.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost promote checkout.shop v2\n  roost undo checkout.shop       # a promotion that went wrong',
    );
  addFlags(command, RELEASE_FLAGS).action(async (given: string, release: string) => {
    const flags = readFlags(command, RELEASE_FLAGS);
    const name = qualifiedName(given, flags.namespace);
    await operate('Promote', name, { release }, flags, `${name} promoted to ${release}`);
  });
}

export function addAbort(program: Command): void {
  const command = program
    .command('abort')
    .argument('<name>', 'checkout, checkout.shop or shop/checkout')
    .summary('send everything back to the stable release')
    .description(
      'Puts every split back to the stable release. Routes that name another release under a condition stay, and are ' +
        'listed; with --labels they lead to the stable release, too. To take a promotion back, use "roost undo".',
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost abort checkout.shop\n  roost abort checkout.shop --labels\n  roost abort checkout.shop --drain',
    );
  addFlags(command, ABORT_FLAGS).action(async (given: string) => {
    const flags = readFlags(command, ABORT_FLAGS);
    const name = qualifiedName(given, flags.namespace);
    await operate(
      'Abort',
      name,
      { drain: flags.drain, labels: flags.labels },
      flags,
      `${name} aborted${flags.drain ? ', draining' : ''}`,
    );
  });
}

async function operate(
  method: string,
  name: string,
  request: object,
  flags: Values<typeof RELEASE_FLAGS>,
  what: string,
): Promise<void> {
  await withClient(flags, async (client) => {
    const response = await client.call<ChangeResponse>(method, {
      name,
      expectedRevision: flags.expectRevision ?? 0,
      force: flags.force,
      ...request,
    });
    await reportChange(client, response, flags, what);
  });
}

/** `v1=90 v2=10` → entries of a split. @throws UsageError */
export function parseSplit(
  entries: readonly string[],
  command: Command,
): { version: string; weight: number }[] {
  const problems: string[] = [];
  const split = entries.map((entry) => {
    const found = /^([^=]+)=(\d{1,7})$/.exec(entry);
    if (!found)
      problems.push(
        `expected VERSION=WEIGHT, such as v2=10 (a weight is a whole number from 0 to 1000000); got "${entry}"`,
      );
    return { version: found?.[1] ?? '', weight: Number(found?.[2]) };
  });
  if (problems.length > 0) throw new UsageError(problems, command);
  return split;
}
