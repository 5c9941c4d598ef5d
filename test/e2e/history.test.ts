import { stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { temporaryFolder } from '../support/folder.js';
import { roost, startControlPlane } from '../support/processes.js';
import { checkout } from '../support/shop.js';

t.test('who changed what, a lost race, back, and all of it in a file', async (t) => {
  const folder = await temporaryFolder(t);
  const dataDir = join(folder, 'data');
  const first = await startControlPlane(t, ['--data-dir', dataDir]);
  let env: NodeJS.ProcessEnv = { ROOST_CONTROL_PLANE: first.grpc, ROOST_ACTOR: 'ann' };
  const run = (args: string, input = '') => roost(args.split(' '), { env, input });
  const ok = async (args: string, input = '') => {
    const { code, stdout, stderr } = await run(args, input);
    t.same([code, stderr], [0, ''], args);
    return stdout;
  };
  await ok('apply -f -', stringify(checkout({ split: { v1: 1 } })));
  await ok('split checkout.shop v1=90 v2=10 --actor bob');
  const lost = await run('split checkout.shop v1=1 v2=1 --expect-revision 1');
  t.equal(lost.code, 1);
  t.match(lost.stderr, /^roost: shop\/checkout was expected at revision 1, but it is at revision 2/);
  t.match(lost.stderr, /^ {2}revision 2, \S+, by bob \(127\.0\.0\.1\): split v1=100 → v1=90 v2=10$/m);

  // What was changed is there after the control plane has been killed.
  await first.process.kill('SIGKILL');
  env = { ...env, ROOST_CONTROL_PLANE: (await startControlPlane(t, ['--data-dir', dataDir])).grpc };
  t.match(
    await ok('undo checkout.shop'),
    /^checkout.shop undone \(split v1=90 v2=10 → v1=100\): revision 3, no client is connected\n$/,
  );
  const table = await ok('history checkout.shop');
  t.match(
    table,
    /^REVISION +FROM +WHEN +WHO +ACTION +CHANGE\n3 +2 +\S+Z +ann \(127\.0\.0\.1\) +undo +split v1=90/,
  );
  t.match(table, /\n2 +1 +\S+Z +bob .*\n1 +- +\S+Z +ann \(127\.0\.0\.1\) +apply +created\n +split v1=100\n$/);
  const [newest] = JSON.parse(await ok('history --limit 1 -o json'));
  t.match(newest, { revision: 3, fromRevision: 2, key: 'shop/checkout', by: { origin: 'api', name: 'ann' } });

  const file = join(folder, 'roost.backup');
  t.match(await ok(`backup -o ${file}`), /: \d+ bytes, 1 services at revision 3\n$/);
  t.equal((await stat(file)).mode & 0o777, 0o600);
  await ok('split checkout.shop v1=1 v2=1');
  const dry = await ok(`restore ${file} --dry-run`);
  t.match(dry, /^shop\/checkout: split v1=1 v2=1 → v1=100\n.*: whole; nothing was restored\n$/);
  t.match(await ok(`restore ${file}`), /roost\.backup restored: revision 5, no client is connected\n$/);
  await truncate(file, (await stat(file)).size - 5);
  const damaged = await run(`restore ${file}`);
  t.equal(damaged.code, 2);
  t.match(damaged.stderr, /^roost: nothing was restored: .*roost\.backup is cut off: \d+ of \d+ bytes/);
});
