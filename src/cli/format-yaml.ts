import { stringify } from 'yaml';
import { isPrintable, printableYaml } from '../telemetry/printable.js';

/** Any document, in a form that reads back as the same one. */
export function formatYaml(document: unknown): string {
  const plain = stringify(document, { aliasDuplicateObjects: false });
  if (isPrintable(plain)) return plain;
  return printableYaml(
    stringify(document, {
      aliasDuplicateObjects: false,
      lineWidth: 0,
      defaultStringType: 'QUOTE_DOUBLE',
      defaultKeyType: 'QUOTE_DOUBLE',
    }),
  );
}
