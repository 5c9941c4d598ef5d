import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** @param path from the checkout's root */
export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The Markdown files below a folder, as paths from the checkout's root. */
export function markdownIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
    .map((file) => join(folder, file));
}

/** Every page that users and contributors read. */
export const PAGES: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...markdownIn('docs'),
  ...markdownIn('examples'),
];

/** A page without its code blocks, in which `#` and brackets mean other things. */
export function proseOf(page: string): string {
  return read(page).replace(/^( *)```.*?^\1```/gms, '');
}
