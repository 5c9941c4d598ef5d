import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { keepOutOfGit } from '../../../../src/lifecycle/keep-out-of-git.js';
import { temporaryFolder } from '../../../support/folder.js';

t.test('git ignores a directory with secrets in a work tree, and only there', async (t) => {
  const tree = await temporaryFolder(t);
  const data = join(tree, 'deep', 'roost-data');
  await mkdir(data, { recursive: true });
  await keepOutOfGit(data);
  t.same(await readdir(data), [], 'no work tree');
  await mkdir(join(tree, '.git'));
  await keepOutOfGit(data);
  t.match(await readFile(join(data, '.gitignore'), 'utf8'), /^\*$/m);
  await writeFile(join(data, '.gitignore'), 'mine\n');
  await keepOutOfGit(data);
  t.equal(await readFile(join(data, '.gitignore'), 'utf8'), 'mine\n');
});
