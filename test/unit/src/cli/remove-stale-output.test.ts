import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { removeStaleOutput } from '../../../../src/cli/remove-stale-output.js';
import { temporaryFolder } from '../../../support/folder.js';

t.test('what no source compiles to is removed from the build, and nothing else', async (t) => {
  const root = await temporaryFolder(t);
  const kept = ['test/a.js', 'test/a.js.map', 'test/a.d.ts', 'proto/envoy.json', '.tsbuildinfo'];
  const stale = ['test/b.js', 'test/b.js.map', 'test/b.d.ts', 'old/deep/c.js'];
  for (const file of ['test/a.ts', ...[...kept, ...stale].map((name) => join('dist', name))]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  const dist = join(root, 'dist');
  t.same(removeStaleOutput(root, dist).sort(), [...stale].sort());
  for (const name of kept) t.ok(existsSync(join(dist, name)), name);
  t.notOk(existsSync(join(dist, 'old')), 'an empty folder goes, too');
  t.same(removeStaleOutput(root, dist), []);
});
