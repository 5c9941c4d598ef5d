import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { lockDirectory } from '../../../../../control-plane/store/file/directory-lock.js';
import { OperatorError } from '../../../../../src/lifecycle/operator-error.js';
import { temporaryFolder } from '../../../../support/folder.js';

t.test('one owner at a time; the second is told which process has it', async (t) => {
  const folder = await temporaryFolder(t);
  const unlock = await lockDirectory(folder);
  const refused = lockDirectory(folder);
  await t.rejects(refused, OperatorError);
  await t.rejects(lockDirectory(folder), {
    message: `the data directory ${folder} is in use by process ${process.pid}; give each control plane its own --data-dir`,
  });
  await unlock();
  t.notOk(existsSync(join(folder, 'lock')));
  await (await lockDirectory(folder))();
});

t.test('a live owner keeps it, a dead one does not', async (t) => {
  const folder = await temporaryFolder(t);
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  await writeFile(join(folder, 'lock'), `${child.pid}\n`);
  await t.rejects(lockDirectory(folder), { message: new RegExp(`in use by process ${child.pid};`) });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await lockDirectory(folder))();
});

t.test('a number that has gone to another process since is no owner', { skip: noProc() }, async (t) => {
  const folder = await temporaryFolder(t);
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  for (const stale of [
    `${child.pid} 00000000-0000-0000-0000-000000000000:1\n`,
    `${process.pid} 00000000-0000-0000-0000-000000000000:1\n`,
  ]) {
    await writeFile(join(folder, 'lock'), stale);
    const unlock = await lockDirectory(folder);
    t.match(await readFile(join(folder, 'lock'), 'utf8'), new RegExp(`^${process.pid} .+:\\d+\n$`));
    await unlock();
  }
});

t.test('a lock that says nothing is taken over', async (t) => {
  const folder = await temporaryFolder(t);
  for (const text of ['', 'garbage', '-1\n', '0\n', '999999999\n', '\0\0\0']) {
    await writeFile(join(folder, 'lock'), text);
    await (await lockDirectory(folder))();
  }
  t.notOk(existsSync(join(folder, 'lock')));
});

t.test("giving back does not take away another owner's lock", async (t) => {
  const folder = await temporaryFolder(t);
  const unlock = await lockDirectory(folder);
  await writeFile(join(folder, 'lock'), '1\n');
  await unlock();
  t.equal(await readFile(join(folder, 'lock'), 'utf8'), '1\n');
});

function noProc(): string | false {
  return existsSync('/proc/self/stat') ? false : 'this system does not tell when a process started';
}
