import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT, read } from '../../support/documentation.js';

/** Folders whose code neither reads nor writes anything: the command and the webhook share it. */
const PURE = ['src/inject'];

/** What may be imported of Node: functions without effects. */
const ALLOWED = ["import { isIP } from 'node:net';"];

for (const folder of PURE)
  t.test(`${folder} does no input or output`, async (t) => {
    const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    t.ok(files.length > 5);
    for (const file of files) {
      const source = read(join(folder, file));
      const imports = source.match(/^import [^;]*'node:[^']*';|\bimport\([^)]*\)/gm) ?? [];
      t.same(
        imports.filter((found) => !ALLOWED.includes(found)),
        [],
        file,
      );
    }
  });
