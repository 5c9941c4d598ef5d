import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { Backend } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { metric } from '../support/exposition.js';
import { temporaryFolder } from '../support/folder.js';
import { toAddress } from '../support/mesh.js';
import { eventually, type StartedSidecar, startControlPlane, startSidecar } from '../support/processes.js';
import { meshService } from '../support/shop.js';

t.setTimeout(120_000);

const admin = async ({ admin }: StartedSidecar, path: string) => {
  const response = await fetch(`http://${admin}${path}`);
  return { status: response.status, text: await response.text() };
};

for (const mode of ['delta', 'sotw']) {
  t.test(`a sidecar restarted while the control plane is away, ${mode}`, async (t) => {
    const folder = await temporaryFolder(t);
    const stateDir = join(folder, 'state');
    const [first, second] = [await Backend.start(t, 'v1-1'), await Backend.start(t, 'v2-1')];
    const versions = [first, second].map((backend, i) => ({
      name: `v${i + 1}`,
      endpoints: [{ address: backend.address }],
    }));
    const dataDir = ['--data-dir', join(folder, 'data')];
    const controlPlane = await startControlPlane(t, dataDir);
    const change = async (grpc: string, method: string, request: object) => {
      const client = new ControlPlaneClient(toAddress(grpc));
      await client.call(method, request).finally(() => client.close());
    };
    const apply = (name: string, weights: Record<string, number>) =>
      change(controlPlane.grpc, 'Apply', { documents: [toStruct(meshService(name, weights, { versions }))] });
    await apply('checkout.shop', { v1: 1 });
    await apply('gone.shop', { v1: 1 });
    const affinity = { key: [{ header: 'x-user-id' }], version: 'persistent' };
    const sticky = (weights: Record<string, number>) =>
      change(controlPlane.grpc, 'Apply', {
        documents: [toStruct(meshService('sticky.shop', weights, { versions, affinity }))],
      });
    await sticky({ v1: 50, v2: 50 });
    const args = ['--service', 'frontend.shop', '--state-dir', stateDir, '--xds-mode', mode];
    const start = () => startSidecar(t, [...args, '--control-plane', controlPlane.grpc]);
    const before = await start();
    await eventually('it is ready', async () => (await admin(before, '/ready')).status === 200);
    t.equal((await admin(before, '/ready')).text, 'ready\n');

    const sessions = Array.from({ length: 50 }, (_, i) => ({ headers: { 'x-user-id': `user-${i}` } }));
    const placesAt = async (call: ReturnType<typeof caller>) =>
      (await Promise.all(sessions.map((session) => call('sticky', session)))).map(({ backend }) => backend);
    const callBefore = caller(t, before.outbound);
    const places = await placesAt(callBefore);
    await sticky({ v1: 100, v2: 0 });
    await eventually('the split is in force', async () => (await callBefore('sticky')).backend === 'v1-1');
    await controlPlane.process.kill('SIGKILL');
    // What has come just now is written when it stops.
    await before.process.kill('SIGTERM');
    const after = await start();
    const ready = await admin(after, '/ready');
    t.equal(ready.status, 200, 'ready as soon as it listens');
    t.match(
      ready.text,
      /^ready, on the configuration of \S+Z from disk \(\d+ s old\); waiting for the control plane/,
    );
    t.equal(await metric(after.admin, 'roost_configuration_from_disk'), 1);
    t.ok((await metric(after.admin, 'roost_configuration_age_seconds')) > 0);
    const call = caller(t, after.outbound);
    for (const host of ['checkout', 'gone']) t.match(await call(host), { status: 200, backend: 'v1-1' });

    t.same(await placesAt(call), places, 'sessions are kept, too');

    const returned = await startControlPlane(t, [...dataDir, '--grpc', controlPlane.grpc]);
    await eventually(
      'the control plane has answered',
      async () => (await admin(after, '/ready')).text === 'ready\n',
    );
    t.equal(await metric(after.admin, 'roost_configuration_from_disk'), 0);
    await change(returned.grpc, 'Split', { name: 'checkout.shop', split: [{ version: 'v2', weight: 1 }] });
    await eventually('it catches up', async () => (await call('checkout')).backend === 'v2-1');

    // What is taken out of the configuration while the sidecar is away is gone when it is back.
    await after.process.kill('SIGKILL');
    await change(returned.grpc, 'Delete', { name: 'gone.shop' });
    const last = await start();
    const again = caller(t, last.outbound);
    await eventually('what is gone is gone', async () => (await again('gone')).status === 404);
    t.match(await again('checkout'), { status: 200, backend: 'v2-1' });

    await last.process.kill('SIGTERM');
    await returned.process.kill('SIGKILL');
    await writeFile(join(stateDir, 'configuration'), 'not what was written');
    const spoiled = await start();
    await spoiled.process.logged('the configuration on disk cannot be used');
    t.equal((await admin(spoiled, '/ready')).status, 503, 'a spoiled file is not a configuration');
  });
}
