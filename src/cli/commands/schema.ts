import type { Command } from 'commander';
import { meshServiceJsonSchema } from '../../model/json-schema.js';
import { UsageError } from '../flags.js';
import { printJson } from '../terminal.js';

/** By kind of document. */
const SCHEMAS = { MeshService: meshServiceJsonSchema } as const;

export function addSchema(program: Command): void {
  const kinds = Object.keys(SCHEMAS).join(', ');
  const command = program
    .command('schema')
    .argument('[kind]', `kind of document: ${kinds}`, 'MeshService')
    .summary('print the JSON Schema of a resource')
    .description(
      'Prints the JSON Schema of a resource. With it, editors complete fields, show what they mean, and mark mistakes. ' +
        '"roost apply --dry-run" checks more: what one field demands of another.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost schema > mesh-service.schema.json\n\nThe first line of a YAML file, for the YAML language server of most editors:\n' +
        '  # yaml-language-server: $schema=./mesh-service.schema.json',
    );
  command.action((kind: string) => {
    const known = Object.keys(SCHEMAS).find((name) => name.toLowerCase() === kind.toLowerCase());
    if (known === undefined) throw new UsageError([`unknown kind "${kind}"; expected ${kinds}`], command);
    const schema = SCHEMAS[known as keyof typeof SCHEMAS]();
    printJson({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...schema });
  });
}
