import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { FastCaller, startBackends } from '../support/fast-traffic.js';
import { temporaryFolder } from '../support/folder.js';
import { eventually, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { meshService } from '../support/shop.js';

t.setTimeout(180_000);

/** Two services, a backup of them, and a sidecar that calls them. */
async function startWorld(t: Test, mode: string) {
  const folder = await temporaryFolder(t);
  const dataDir = join(folder, 'data');
  const backends = await startBackends(t, { v1: 1, v2: 1 });
  const versions = [...backends].map(([name, list]) => ({
    name,
    endpoints: list.map(({ address }) => ({ address })),
  }));
  const document = (name: string, split: Record<string, number>) =>
    stringify(meshService(name, split, { versions }));
  const first = await startControlPlane(t, ['--data-dir', dataDir]);
  const { grpc } = first;
  const run = async (args: string, input = '') => {
    const { code, stdout, stderr } = await roost(args.split(' '), {
      env: { ROOST_CONTROL_PLANE: grpc },
      input,
    });
    t.same([code, stderr], [0, ''], args);
    return stdout;
  };
  await run('apply -f -', document('a.shop', { v1: 1 }));
  await run('apply -f -', document('b.shop', { v1: 1 }));
  const backup = join(folder, 'roost.backup');
  await run(`backup -o ${backup}`);
  const sidecar = await startSidecar(t, [
    ...['--service', 'frontend.shop', '--control-plane', grpc, '--xds-mode', mode],
    ...['--state-dir', join(folder, 'state')],
  ]);
  await eventually('ready', async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200);
  const call = new FastCaller(t, sidecar.outbound);
  const answers = async () =>
    (await call.all([{ host: 'a' }, { host: 'b' }])).map(({ status, body }) =>
      status === 200 ? body : status,
    );
  t.same(await answers(), ['v1-1', 'v1-1']);
  let current = first.process;
  /** Kills the control plane; what comes in its place listens where it did. */
  const replace = async (...args: string[]) => {
    await current.kill('SIGKILL');
    const next = await startControlPlane(t, ['--grpc', grpc, '--data-dir', dataDir, ...args]);
    current = next.process;
    await eventually('the sidecar is back', async () => {
      const { clients } = JSON.parse(await run('status -o json')) as { clients: { inSync: boolean }[] };
      return clients.length === 1 && clients[0]?.inSync === true;
    });
  };
  const wipe = () => rm(dataDir, { recursive: true, force: true });
  const kept = async () => {
    const text = await (await fetch(`http://${sidecar.admin}/metrics`)).text();
    return Number(/^roost_configuration_kept_resources (\d+)$/m.exec(text)?.[1]);
  };
  return { run, document, answers, replace, wipe, kept, backup, sidecar };
}

for (const mode of ['delta', 'sotw']) {
  t.test(`a control plane that comes back with nothing takes nothing away, ${mode}`, async (t) => {
    const { run, document, answers, replace, wipe, kept, sidecar } = await startWorld(t, mode);
    await wipe();
    await replace();
    t.same(await answers(), ['v1-1', 'v1-1']);
    t.ok((await kept()) >= 2, 'it says so');
    await sidecar.process.logged(/another store/);
    t.match(await run('apply -f -', document('a.shop', { v2: 1 })), /revision 1, in force on 1 client/);
    t.same(await answers(), ['v2-1', 'v1-1'], 'what is applied anew is followed, the rest stays');
    await run('delete a.shop');
    t.same(await answers(), [404, 'v1-1'], 'and what is deleted goes');
    await replace('--replace-unknown');
    await eventually('the operator says that the rest is to go', async () => (await answers())[1] === 404);
    t.equal(await kept(), 0);
  });
}

t.test('a restored backup is the old store again', async (t) => {
  const { run, answers, replace, wipe, kept, backup } = await startWorld(t, 'delta');
  await wipe();
  await replace();
  t.ok((await kept()) > 0);
  await run(`restore ${backup}`);
  await eventually('the sidecar knows it again', async () => (await kept()) === 0);
  t.same(await answers(), ['v1-1', 'v1-1']);
  await run('delete b.shop');
  await eventually('and follows it', async () => (await answers())[1] === 404);
});
