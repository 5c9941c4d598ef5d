import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { bodyOf, CaseWorld, flips, moved, persistent, share } from '../support/case-world.js';
import { metric } from '../support/exposition.js';
import { eventually } from '../support/processes.js';
import { SESSION_STORE, sharedControlPlanes, sharingFlags } from '../support/sharing-variants.js';
import { labelled } from '../support/shop.js';

/** SEMANTICS S6, cases 29 to 35: three pods of one caller as black boxes, 10,000 sessions a case. */

// 10,000 sessions, several times over: no limit for a machine that is busy.
t.setTimeout(180_000);

const SESSIONS = 10_000;
const ids = Array.from({ length: SESSIONS }, (_, i) => i);
const US_EAST = ['x-region', 'us-east'] as const;
const FRONTEND = ['--service', 'frontend.shop', ...sharingFlags()];
const [A, B, C] = [0, 1, 2];
const world = await CaseWorld.start(t, 3, FRONTEND, { controlPlanes: sharedControlPlanes() });

const metricOf = (sidecar: number, name: string) => metric(world.sidecars[sidecar]?.admin ?? '', name);
/** Every pod that is named knows so many sessions, or can look them up. */
async function knows(sidecars: readonly number[], sessions: number): Promise<void> {
  if (SESSION_STORE !== '') {
    await eventually('the store has them', async () => (await storedSessions()) >= sessions);
    return;
  }
  for (const sidecar of sidecars)
    await eventually(
      `sidecar ${sidecar} knows ${sessions} sessions`,
      async () => (await metricOf(sidecar, 'roost_sessions')) >= sessions,
    );
}

/** Keys in Redis. */
async function storedSessions(): Promise<number> {
  const { hostname, port } = new URL(SESSION_STORE);
  const socket = connect(Number(port), hostname);
  socket.end('DBSIZE\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return Number(String(answer).slice(1));
}

let known = 0;

t.test(
  '29, 32, 35: sessions that called through one pod stay where they are through the others',
  async (t) => {
    const service = await world.service(t, { v1: 3, v2: 3 }, { v1: 90, v2: 10 }, { affinity: persistent });
    const first = await service.callAll(ids, A);
    known += SESSIONS;
    await service.apply({ v1: 50, v2: 50 });
    await knows([B, C], known);
    for (const pod of [B, C, A]) t.same(moved(first, await service.callAll(ids, pod)), [], `pod ${pod}`);

    // 32: drained, through pods that have seen some of them.
    await service.apply({ v1: 100, v2: 0 });
    for (const pod of [C, B])
      t.same(moved(first, await service.callAll(ids, pod)), [], `drained, pod ${pod}`);
    const fresh = await service.callAll(
      Array.from({ length: 1000 }, (_, i) => `late-${i}`),
      B,
    );
    known += 1000;
    t.equal(share(fresh, 'v2'), 0, 'no new session arrives');

    // 35: v2 evicted, and another release takes its place.
    await service.apply({ v1: 100 });
    const evicted = await service.callAll(ids, A);
    t.equal(share(evicted, 'v1'), 1);
    t.same(
      flips(first, evicted),
      ids.filter((i) => first[i]?.startsWith('v2')),
    );
    await knows([B, C], known);
    await eventually(
      'every pod has heard of it',
      async () => moved(evicted, await service.callAll(ids, C)).length === 0,
    );
    t.same(moved(evicted, await service.callAll(ids, B)), []);
  },
);

t.test('30: a label met through one pod holds through another that is called without it', async (t) => {
  const service = await world.service(
    t,
    { v1: 2, v2: 3 },
    { v1: 100, v2: 0 },
    { affinity: persistent, routes: [labelled('v2')] },
  );
  const some = ids.slice(0, 500);
  const answers = await world.caller(A).all(some.map((i) => service.request(i, [US_EAST])));
  const places = answers.map(bodyOf);
  t.equal(share(places, 'v2'), 1);
  known += some.length;
  await knows([B, C], known);
  for (const pod of [B, C]) t.same(moved(places, await service.callAll(some, pod)), [], `pod ${pod}`);
});

t.test('34: first calls through two pods around a weight change: one move at most, then none', async (t) => {
  const service = await world.service(t, { v1: 2, v2: 2 }, { v1: 90, v2: 10 }, { affinity: persistent });
  for (let change = 0; change < 5; change++) {
    const some = Array.from({ length: 200 }, (_, i) => `change-${change}-${i}`);
    const split = change % 2 === 0 ? { v1: 10, v2: 90 } : { v1: 90, v2: 10 };
    const [atA, , atB] = await Promise.all([
      service.callAll(some, A),
      service.apply(split),
      service.callAll(some, B),
    ]);
    known += some.length;
    let agreed: string[] = [];
    await eventually('the two pods agree', async () => {
      agreed = await service.callAll(some, A);
      return moved(agreed, await service.callAll(some, B)).length === 0;
    });
    await knows([C], known);
    t.same(
      agreed.filter((place, i) => place !== atA[i] && place !== atB[i]),
      [],
      'nobody is where no pod has sent them',
    );
    for (const pod of [A, B, C])
      t.same(moved(agreed, await service.callAll(some, pod)), [], `then none, pod ${pod}`);
  }
});

t.test('31: a pod of the caller dies, and another one that joins knows its sessions', async (t) => {
  const service = await world.service(t, { v1: 3, v2: 3 }, { v1: 90, v2: 10 }, { affinity: persistent });
  const first = await service.callAll(ids, A);
  known += SESSIONS;
  await knows([B], known);
  await service.callAll(ids.slice(0, 1), B);
  await service.apply({ v1: 50, v2: 50 });
  world.sidecars[A]?.process.kill('SIGKILL');
  const joined = await world.addSidecar(t, FRONTEND);
  t.same(
    moved(first, await service.callAll(ids, joined)),
    [],
    'a pod that is ready knows what its siblings call',
  );
});
