import t from 'tap';
import type { SessionsResponse, StatusResponse } from '../../src/api/config-service.js';
import { bodyOf, CaseWorld, persistent } from '../support/case-world.js';
import { eventually, roost } from '../support/processes.js';
import { USER_KEY } from '../support/shop.js';

/** `roost sessions`, and where else the sessions that sidecars share are shown: each of them once. */

const SESSIONS = 300;
const users = Array.from({ length: SESSIONS }, (_, i) => i);
const world = await CaseWorld.start(t, 2, ['--service', 'frontend.shop']);

async function command(...args: readonly string[]) {
  const { code, stdout, stderr } = await roost([...args], {
    env: { ROOST_CONTROL_PLANE: world.controlPlane },
  });
  return { code, stdout, stderr };
}

async function sessionsOf(host: string): Promise<SessionsResponse> {
  return JSON.parse((await command('sessions', host, '-o', 'json')).stdout) as SessionsResponse;
}

t.test('counts each session once, by release and pod, however many sidecars know it', async (t) => {
  const service = await world.service(t, { v1: 2, v2: 1 }, { v1: 50, v2: 50 }, { affinity: persistent });
  const places = await service.callAll(users, 0);
  await service.callAll(users, 1);
  await eventually('all are shared', async () => (await sessionsOf(service.host)).total === SESSIONS);
  const { counts, sidecars } = await sessionsOf(service.host);
  t.equal(sidecars, 2);
  t.same(
    Object.fromEntries(counts.map(({ endpoint, sessions }) => [endpoint, sessions])),
    Object.fromEntries(
      [...service.backends.values()]
        .flat()
        .map(({ name, address }) => [address, places.filter((place) => place === name).length]),
    ),
  );
  const { stdout } = await command('sessions', service.host);
  t.match(
    stdout,
    /^shop\/checkout-1: 300 sessions, shared by 2 sidecars\nRELEASE +ENDPOINT +KEY +SESSIONS +SHARE\n/,
  );
  t.match(stdout, /^v1 +127\.0\.0\.1:\d+ +header x-user-id +\d+ +\d+\.\d %$/m);
  const inStatus = async () => {
    const { load } = JSON.parse((await command('status', '-o', 'json')).stdout) as StatusResponse;
    return load
      .filter(({ service: key }) => key === 'shop/checkout-1')
      .reduce((sum, { pins }) => sum + pins, 0);
  };
  await eventually('status has them, once', async () => (await inStatus()) === SESSIONS);
});

t.test('shows one session, explains it, and unpins it everywhere', async (t) => {
  const service = await world.service(t, { v1: 1, v2: 1 }, { v1: 1, v2: 0 }, { affinity: persistent });
  t.match(bodyOf(await service.call(service.request('7'), 0)), /^v1/);
  await service.apply({ v2: 1, v1: 0 });
  await eventually('it is shared', async () => (await sessionsOf(service.host)).total === 1);
  t.match(bodyOf(await service.call(service.request('7'), 1)), /^v1/, 'pinned, at the other pod, too');
  const shown = await command('sessions', service.host, '--key', 'user-7');
  t.match(
    shown.stdout,
    /: v1, endpoint 127\.0\.0\.1:\d+ \(header x-user-id; made under revision \d+; last used \d+ s ago\)$/m,
  );
  const explained = await command('explain', service.host, '-H', 'x-user-id: user-7');
  t.match(explained.stdout, /^pin +v1 +shared, made by a session; endpoint 127/m);
  t.match(explained.stdout, /^release +v1 +the session is pinned there/m);
  const unpinned = await command('sessions', service.host, '--forget', 'user-7');
  t.match(unpinned.stdout, /; unpinned$/m);
  await eventually('both sidecars place it anew', async () => {
    const bodies = [await service.call(service.request('7'), 0), await service.call(service.request('7'), 1)];
    return bodies.every((answer) => bodyOf(answer).startsWith('v2'));
  });
  t.match(await command('sessions', service.host, '--key', 'nobody'), {
    code: 0,
    stdout: /no pin of such a session is shared/,
  });
  t.match(await command('sessions', service.host, '--forget', 'nobody'), {
    code: 1,
    stderr: /no pin of such a session of shop\/checkout-2 is shared/,
  });
  t.match(await command('sessions', 'nothing.shop'), { code: 1, stderr: /nothing/ });
  t.match(await command('sessions', service.host, '--key', 'a', '--forget', 'a'), {
    code: 2,
    stderr: /do not go together/,
  });
});

t.test('status names the sidecars that do not share, and since when', async (t) => {
  const statusOf = async () => JSON.parse((await command('status', '-o', 'json')).stdout) as StatusResponse;
  t.same(
    (await statusOf()).clients.map(({ notSharingSinceMs }) => notSharingSinceMs),
    [0, 0],
  );
  t.notMatch((await command('status')).stdout, /do not share/);
});

t.test('says which sessions carry their pins themselves', async (t) => {
  const key = [...USER_KEY, { cookie: 'sid' }];
  const service = await world.service(t, { v1: 1 }, { v1: 1 }, { affinity: { ...persistent, key } });
  t.match(
    (await command('sessions', service.host)).stdout,
    /0 sessions.*\nsessions by cookie sid carry their pins in that cookie$/m,
  );
});
