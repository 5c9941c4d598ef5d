import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createProgram } from '../cli/program.js';
import { commandLinePage } from './command-line-page.js';
import { meshServicePage } from './mesh-service-page.js';

/** Pages of the documentation that are made from the code, by path from the project's folder. */
export async function referencePages(): Promise<Readonly<Record<string, string>>> {
  return {
    'docs/reference/mesh-service.md': meshServicePage(),
    'docs/reference/command-line.md': commandLinePage(await createProgram()),
  };
}

/** `npm run reference` */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(await referencePages())) {
    const file = fileURLToPath(new URL(`../../../${path}`, import.meta.url));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
