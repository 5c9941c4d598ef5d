import { stringify } from 'yaml';
import { isPrintable, printableYaml } from '../telemetry/printable.js';

/**
 * With quotes around what is text to YAML 1.2, which we read, and something else to YAML 1.1, which many tools read:
 * `yes`, `on`, `y`, `0755`, `12:30:00`, `2026-11-22`.
 */
const FOR_EVERY_READER = { aliasDuplicateObjects: false, compat: 'yaml-1.1' } as const;

/** Any document, in a form that reads back as the same one, for readers of YAML 1.1 too. */
export function formatYaml(document: unknown): string {
  const plain = stringify(document, FOR_EVERY_READER);
  if (isPrintable(plain) && !hasEqualsSign(document)) return plain;
  return printableYaml(
    stringify(document, {
      ...FOR_EVERY_READER,
      lineWidth: 0,
      defaultStringType: 'QUOTE_DOUBLE',
      defaultKeyType: 'QUOTE_DOUBLE',
    }),
  );
}

/** A lone "=" has a meaning in YAML 1.1, and no form of its own in the library's. */
function hasEqualsSign(document: unknown): boolean {
  return JSON.stringify(document).includes('"="');
}
