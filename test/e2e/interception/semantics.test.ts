import t, { type Test } from 'tap';
import { xxh64 } from '../../../src/hashing/xxh64.js';
import { whyNoNamespaces } from '../../support/network-namespaces.js';
import { type MeshedPod, Pods, serviceAt } from '../../support/pods.js';
import { eventually } from '../../support/processes.js';

/** SEMANTICS cases 1 to 7 and 29 to 31 by apps that know nothing: redirected out of one pod and into another. */

// Tens of thousands of requests, two sidecars each: no limit for a machine that is busy.
t.setTimeout(240_000);

const skip = whyNoNamespaces();
const SHARES = 10_000;
const SESSIONS = 1500;
const VIP = '10.96.0.10';
const US_EAST = { 'x-region': 'us-east' };
const LABELLED = { name: 'qa', match: [{ headers: [{ name: 'x-region', exact: 'us-east' }] }] };

/** Three pods of a caller, and a pod whose ports are the endpoints of two releases: v1-1 to v1-3 and v2-1 to v2-3. */
async function world(t: Test) {
  const pods = await Pods.start(t);
  const callers: MeshedPod[] = [];
  for (let i = 0; i < 3; i++) callers.push(await pods.meshed('frontend'));
  const pod = await pods.meshed('checkout');
  const versions = { v1: [] as string[], v2: [] as string[] };
  for (const version of ['v1', 'v2'] as const)
    for (const number of [1, 2, 3]) {
      const port = Number(`808${version === 'v1' ? number : number + 3}`);
      await pod.app.serve(`${version}-${number}`, '::', port);
      versions[version].push(`${pod.ipv4}:${port}`);
    }
  let previous = '';
  /** Waits until every caller routes by it. */
  const apply = async (name: string, v1: number, v2: number, mode: string, label: object = {}) => {
    const split = [
      { version: 'v1', weight: v1 },
      { version: 'v2', weight: v2 },
    ];
    const routes = [
      { ...LABELLED, split: [{ version: 'v2', weight: 1 }], ...label },
      { name: 'default', split },
    ];
    const affinity = { key: [{ header: 'x-user-id' }], version: mode, endpoint: mode };
    if (previous !== '' && previous !== name) pods.roost(['delete', previous]);
    previous = name;
    pods.apply(serviceAt(name, [VIP], versions, { routes, affinity }));
  };
  /** What answers each session, through one pod of the caller: `v1-2`. */
  const call = async (
    caller: MeshedPod,
    {
      from = 0,
      count = SESSIONS,
      headers = {},
    }: { from?: number; count?: number; headers?: Record<string, string> },
  ) => caller.app.sessions(`http://${VIP}/`, from, count, headers);
  return { pods, callers: callers as [MeshedPod, MeshedPod, MeshedPod], apply, call };
}

const slotOf = (session: number) => Number(xxh64(`user-${session}`) % 10_000n);
const shareOf = (answers: readonly string[]) =>
  answers.filter((answer) => answer.startsWith('v2-')).length / answers.length;
const movedOf = (before: readonly string[], after: readonly string[]) =>
  before.flatMap((answer, i) => (answer === after[i] ? [] : [i]));
const releasesMoved = (before: readonly string[], after: readonly string[]) =>
  before.flatMap((answer, i) => (answer.slice(0, 2) === after[i]?.slice(0, 2) ? [] : [i]));
const knows = (caller: MeshedPod, sessions: number) =>
  eventually(`a caller knows ${sessions} sessions`, async () => {
    const { body } = await caller.app.request('http://127.0.0.1:15000/metrics');
    return Number(/^roost_sessions (\d+)/m.exec(body)?.[1] ?? 0) >= sessions;
  });

t.test('balanced sessions', { skip }, async (t) => {
  const { callers, apply, call } = await world(t);
  const [a, b, c] = callers;
  await apply('balanced', 90, 10, 'balanced');
  const first = await call(a, { count: SHARES });
  t.match(first, Array(SHARES).fill(/^v[12]-[123]$/), 'no request failed');
  t.ok(Math.abs(shareOf(first) - 0.1) <= 0.01, `1: the canary has ${shareOf(first)}`);
  for (const caller of [b, c, a, b])
    t.same(movedOf(first.slice(0, SESSIONS), await call(caller, {})), [], '1: no flips, no hops');

  await apply('balanced', 80, 20, 'balanced');
  const raised = await call(b, { count: SHARES });
  const expected = first.flatMap((_, i) => (slotOf(i) >= 8000 && slotOf(i) < 9000 ? [i] : []));
  t.same(releasesMoved(first, raised), expected, '2: exactly the sessions of slots 8,000 to 8,999 moved');
  t.ok(
    expected.every((i) => raised[i]?.startsWith('v2-')),
    '2: to the canary',
  );

  await apply('balanced', 90, 10, 'balanced');
  t.same(movedOf(first, await call(c, { count: SHARES })), [], '3: everybody is back');
  await apply('balanced', 900, 100, 'balanced');
  t.same(movedOf(first, await call(a, { count: SHARES })), [], '5: nobody moves');
});

t.test('persistent sessions', { skip }, async (t) => {
  const { pods, callers, apply, call } = await world(t);
  const [a, b, c] = callers;
  await apply('persistent', 90, 10, 'persistent');
  const first = await call(a, {});
  await apply('persistent', 50, 50, 'persistent');
  t.same(movedOf(first, await call(a, {})), [], '4: no session that has called before moves');
  const fresh = await call(a, { from: SHARES, count: 2500 });
  t.ok(Math.abs(shareOf(fresh) - 0.5) <= 0.04, `4: new sessions split ${shareOf(fresh)}`);

  const known = SESSIONS + 2500;
  for (const caller of [b, c]) {
    await knows(caller, known);
    t.same(movedOf(first, await call(caller, {})), [], '29: nobody moves');
  }

  const from = 2 * SHARES;
  const labelled = await call(a, { from, count: 200, headers: US_EAST });
  t.ok(
    labelled.every((answer) => answer.startsWith('v2-')),
    '6: to the canary',
  );
  t.same(
    movedOf(labelled, await call(a, { from, count: 200 })),
    [],
    '6: and there afterwards, same endpoint',
  );
  await knows(b, known + 200);
  t.same(movedOf(labelled, await call(b, { from, count: 200 })), [], '30: through another pod');

  await a.sidecar.kill('SIGKILL');
  const d = await pods.meshed('frontend');
  await knows(d, known + 200);
  t.same(movedOf(first, await call(d, {})), [], '31: nobody moves');

  await apply('unpinned', 100, 0, 'persistent', { pin: false });
  t.ok((await call(b, { from, count: 200, headers: US_EAST })).every((answer) => answer.startsWith('v2-')));
  const unlabelled = await call(b, { from, count: 200 });
  t.ok(
    unlabelled.every((answer) => answer.startsWith('v1-')),
    '7: the second call follows the split',
  );
});
