import type { Command } from 'commander';
import type { ChangeResponse } from '../../api/config-service.js';
import { addFlags, readFlags } from '../flags.js';
import { CHANGE_FLAGS, reportChange, withClient } from './shared.js';

export function addDelete(program: Command): void {
  const command = program
    .command('delete')
    .argument('<name>', 'checkout, checkout.shop or shop/checkout')
    .summary('take a service out of the mesh')
    .description(
      'Takes a service out of the mesh. Calls to it are then answered 404, or passed through where they were going.',
    );
  command.addHelpText('after', '\nExample:\n  roost delete checkout.shop');
  addFlags(command, CHANGE_FLAGS).action(async (name: string) => {
    const flags = readFlags(command, CHANGE_FLAGS);
    await withClient(flags, async (client) => {
      const response = await client.call<ChangeResponse>('Delete', { name, expectedRevision: 0 });
      await reportChange(client, response, flags, `${name} deleted`);
    });
  });
}
