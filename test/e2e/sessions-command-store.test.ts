import t from 'tap';
import { bodyOf, CaseWorld, persistent } from '../support/case-world.js';
import { eventually, roost } from '../support/processes.js';
import { REDIS, RedisServer } from '../support/redis.js';

/** `roost sessions` where an external store has the pins: the control plane knows only those that were asked about. */

t.test('shows and unpins a session that only the store still has', { skip: REDIS.skip }, async (t) => {
  const redis = await RedisServer.start(t);
  const store = ['--session-store', `redis://127.0.0.1:${redis.port}`, '--session-store-timeout', '2s'];
  const frontend = ['--service', 'frontend.shop', ...store];
  const world = await CaseWorld.start(t, 2, frontend);
  const command = (...args: string[]) => roost(args, { env: { ROOST_CONTROL_PLANE: world.controlPlane } });
  const service = await world.service(t, { v1: 1, v2: 1 }, { v1: 1, v2: 0 }, { affinity: persistent });
  t.match(bodyOf(await service.call(service.request('7'), 0)), /^v1/);
  await service.call(service.request('8'), 1);
  await eventually('the store has both', async () => (await redis.ask('DBSIZE')) === 2);
  await service.apply({ v2: 1, v1: 0 });
  await world.sidecars[0]?.process.kill('SIGKILL');

  t.match((await command('sessions', service.host, '--key', 'user-7')).stdout, /: v1, endpoint 127/);
  t.match((await command('sessions', service.host, '--forget', 'user-7')).stdout, /; unpinned$/m);
  t.match(await command('sessions', service.host, '--forget', 'user-9'), {
    code: 1,
    stderr: /no pin of such/,
  });
  await eventually('the sidecar that is left places it like a new one', async () =>
    bodyOf(await service.call(service.request('7'), 1)).startsWith('v2'),
  );
  const joined = await world.addSidecar(t, frontend);
  t.match(
    bodyOf(await service.call(service.request('7'), joined)),
    /^v2/,
    'and so does one that looks it up',
  );
  t.match(bodyOf(await service.call(service.request('8'), joined)), /^v1/, 'another session is not touched');
});
