import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Backend } from '../../support/backend.js';
import { caller } from '../../support/calls.js';
import { isReady } from '../../support/case-world.js';
import { scrape, sumOf } from '../../support/exposition.js';
import { FastCaller } from '../../support/fast-traffic.js';
import { temporaryFolder } from '../../support/folder.js';
import { eventually, RoostProcess, roost, startControlPlane, startSidecar } from '../../support/processes.js';
import { LINUX_ONLY } from '../../support/two-workers.js';

const FLAGS = ['--service', 'checkout.shop', '--workers', '3'];

t.test('a worker that dies takes the sidecar with it, and that is said', LINUX_ONLY, async (t) => {
  const folder = await temporaryFolder(t);
  const go = join(folder, 'go');
  const bomb = join(folder, 'bomb.mjs');
  // Loaded by every thread before our own code, as an agent of somebody else's would be.
  await writeFile(
    bomb,
    `import { existsSync } from 'node:fs';
     import { isMainThread } from 'node:worker_threads';
     if (!isMainThread) setInterval(() => { if (existsSync(${JSON.stringify(go)})) throw new Error('boom'); }, 20);`,
  );
  const args = ['--control-plane', '127.0.0.1:9', '--outbound', '127.0.0.1:0', '--inbound', '127.0.0.1:0'];
  const process = RoostProcess.start(t, ['sidecar', ...FLAGS, ...args, '--admin', '127.0.0.1:0'], {
    NODE_OPTIONS: `--import ${bomb}`,
  });
  await process.logged('sidecar is listening');
  await writeFile(go, '');
  t.equal(await process.exited, 1);
  const line = process.log.find(({ msg }) => msg === 'a worker has died, and the sidecar ends with it');
  t.match(line, { level: 60, worker: Number, err: { message: 'boom' } });
});

t.test('a port that another sidecar has is refused, though both could share it', LINUX_ONLY, async (t) => {
  const first = await startSidecar(t, [...FLAGS, '--control-plane', '127.0.0.1:9']);
  for (const [flag, address] of [
    ['--outbound', first.outbound],
    ['--inbound', first.inbound],
  ] as const) {
    const others = ['--outbound', '--inbound', '--admin'].flatMap((name) => [
      name,
      name === flag ? address : '127.0.0.1:0',
    ]);
    const { code, stderr } = await roost(['sidecar', ...FLAGS, '--control-plane', '127.0.0.1:9', ...others]);
    t.equal(code, 1);
    t.match(stderr, `on ${address}: the port is in use by another process`);
  }
});

const [MAJOR = 0, MINOR = 0] = process.versions.node.split('.').map(Number);
const NEEDS_KOFFI = MAJOR < 22 || (MAJOR === 22 && MINOR < 12);

t.test(
  'where this Node cannot share ports and koffi is not there, that is said',
  NEEDS_KOFFI ? LINUX_ONLY : { skip: 'this Node shares ports itself' },
  async (t) => {
    const folder = await temporaryFolder(t);
    const missing = join(folder, 'missing.mjs');
    await writeFile(
      missing,
      `import Module from 'node:module';
       const resolve = Module._resolveFilename;
       Module._resolveFilename = function (name, ...rest) {
         if (name === 'koffi') throw new Error('not installed');
         return resolve.call(this, name, ...rest);
       };`,
    );
    const ports = ['--outbound', '--inbound', '--admin'].flatMap((flag) => [flag, '127.0.0.1:0']);
    const { code, stderr } = await roost(['sidecar', ...FLAGS, '--control-plane', '127.0.0.1:9', ...ports], {
      env: { NODE_OPTIONS: `--import ${missing}` },
    });
    t.equal(code, 1);
    t.match(stderr, /needs the package koffi.*use Node 22\.12 or later, install koffi, or use --workers 1/);
  },
);

/** A pod with a sidecar of three workers before its app. */
async function startPod(t: Test, controlPlane: string, handler?: Parameters<typeof Backend.start>[2]) {
  const app = await Backend.start(t, 'app', handler);
  const sidecar = await startSidecar(t, [
    ...FLAGS,
    ...['--control-plane', controlPlane, '--app', app.address, '--drain-grace', '300ms'],
  ]);
  await isReady(sidecar.admin);
  return { app, sidecar };
}

t.test(
  'inbound and outbound listen on all workers, and connections beyond the bound are shed',
  LINUX_ONLY,
  async (t) => {
    const controlPlane = await startControlPlane(t);
    const app = await Backend.start(t, 'app');
    const sidecar = await startSidecar(t, [
      ...FLAGS,
      ...['--control-plane', controlPlane.grpc, '--app', app.address, '--max-connections', '30'],
    ]);
    await isReady(sidecar.admin);
    const callers = Array.from({ length: 50 }, () => new FastCaller(t, sidecar.inbound, 1));
    const answers = await Promise.all(callers.map((each) => each.one({ host: 'anything' })));
    const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length;
    t.strictSame([count(200), count(503)], [30, 20]);
    const families = await scrape(sidecar.admin);
    t.equal(sumOf(families.get('roost_downstream_connections'), { direction: 'inbound' }), 30);
    const byWorker = families.get('roost_worker_connections')?.samples.map(({ value }) => value) ?? [];
    t.comment(`connections by worker: ${byWorker.join(', ')}`);
    t.ok(byWorker.filter((connections) => connections > 0).length > 1);
  },
);

t.test(
  'SIGTERM: what is under way in any worker is finished, and only then the process ends',
  LINUX_ONLY,
  async (t) => {
    const controlPlane = await startControlPlane(t);
    let arrived = 0;
    const finish: (() => void)[] = [];
    const { sidecar } = await startPod(t, controlPlane.grpc, (request, response, backend) => {
      if (request.url !== '/slow') {
        response.end(backend.name);
        return;
      }
      arrived++;
      finish.push(() => response.end('done'));
    });
    const call = caller(t, sidecar.inbound, 24);
    const slow = Array.from({ length: 24 }, () => call('anything', { path: '/slow' }));
    await eventually('all are under way', () => arrived === 24);
    const ended = sidecar.process.kill('SIGTERM');
    await eventually(
      'it is not ready',
      async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 503,
    );
    const during = await Promise.all(
      Array.from({ length: 24 }, () => caller(t, sidecar.inbound, 1)('anything', { path: '/quick' })),
    );
    t.ok(
      during.every(({ status, headers }) => status === 200 && /close/.test(String(headers.connection))),
      'it goes on answering through its grace, in every worker for the last time on a connection',
    );
    await eventually('it takes no connections any more', () =>
      caller(
        t,
        sidecar.inbound,
        1,
      )('anything').then(
        () => false,
        () => true,
      ),
    );
    for (const end of finish) end();
    const answers = await Promise.all(slow);
    t.ok(answers.every(({ status, body }) => status === 200 && body === 'done'));
    t.equal(await ended, 0);
    t.ok(sidecar.process.log.some(({ msg }) => msg === 'sidecar has stopped'));
  },
);
