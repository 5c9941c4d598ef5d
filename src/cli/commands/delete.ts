import type { Command } from 'commander';
import type { ChangeResponse } from '../../api/config-service.js';
import { addFlags, type Flags, readFlags } from '../flags.js';
import {
  CHANGE_FLAGS,
  EXPECT_REVISION_FLAG,
  NAMESPACE_FLAG,
  qualifiedName,
  reportChange,
  withClient,
} from './shared.js';

const FLAGS = { ...NAMESPACE_FLAG, ...EXPECT_REVISION_FLAG, ...CHANGE_FLAGS } as const satisfies Flags;

export function addDelete(program: Command): void {
  const command = program
    .command('delete')
    .argument('<name>', 'checkout, checkout.shop or shop/checkout')
    .summary('take a service out of the mesh')
    .description(
      'Takes a service out of the mesh. Calls to it are then answered 404, or passed through where they were going.',
    );
  command.addHelpText('after', '\nExample:\n  roost delete checkout.shop');
  addFlags(command, FLAGS).action(async (given: string) => {
    const flags = readFlags(command, FLAGS);
    const name = qualifiedName(given, flags.namespace);
    await withClient(flags, async (client) => {
      const response = await client.call<ChangeResponse>('Delete', {
        name,
        expectedRevision: flags.expectRevision ?? 0,
      });
      await reportChange(client, response, flags, `${name} deleted`);
    });
  });
}
