import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  bodyOf,
  type CaseService,
  CaseWorld,
  flips,
  isReady,
  moved,
  persistent,
  share,
} from '../support/case-world.js';
import { versionBefore } from '../support/earlier-version.js';
import { ETCD, EtcdCluster } from '../support/etcd.js';
import { metric } from '../support/exposition.js';
import { FastCaller } from '../support/fast-traffic.js';
import { temporaryFolder } from '../support/folder.js';
import {
  eventually,
  type RoostProcess,
  roost,
  startControlPlane,
  startSidecar,
} from '../support/processes.js';

/** docs/upgrades.md: this version beside the one before sidecars shared pins, process by process. */

const version = versionBefore('src/sessions/shared-pin.ts');
const { skip } = version;
const earlier = skip === false ? await version.build(t) : '';

const ids = Array.from({ length: 1000 }, (_, i) => i);
const newcomers = Array.from({ length: 1000 }, (_, i) => `newcomer-${i}`);
const PODS = { v1: 2, v2: 2 };
const FRONTEND = ['--service', 'frontend.shop'];
const inCookies = { ...persistent, key: [{ cookie: { name: 'sid' } }] };
const balanced = { ...persistent, version: 'balanced', endpoint: 'balanced' };
const SHARES_NONE = 'the control plane shares no pins: sessions are kept here only';

/** A session in a cookie, and where it is. */
interface Visit {
  readonly place: string;
  readonly cookie: string;
}

/** First calls of clients that keep cookies. */
async function firstVisits({ host }: CaseService, caller: FastCaller, count = 200): Promise<Visit[]> {
  const answers = await caller.all(Array.from({ length: count }, () => ({ host })));
  return answers.map((answer) => ({
    place: bodyOf(answer),
    cookie: answer.setCookie?.split(';')[0] ?? '',
  }));
}

/** Visits that end elsewhere the next time, or whose cookie is replaced. */
async function broken({ host }: CaseService, visits: readonly Visit[], caller: FastCaller): Promise<Visit[]> {
  const answers = await caller.all(visits.map(({ cookie }) => ({ host, headers: [['cookie', cookie]] })));
  return visits.filter(({ place }, i) => answers[i]?.body !== place || answers[i]?.setCookies.length !== 0);
}

/** What a plan says of the sessions that sidecars hold. */
async function planned(world: CaseWorld, { name }: CaseService) {
  const split = [
    { version: 'v1', weight: 1 },
    { version: 'v2', weight: 1 },
  ];
  const { routes } = await world.client.call<{ routes: { livePins: number; note: string }[] }>('Plan', {
    split: { name: `${name}.shop`, split },
  });
  return routes[0];
}

t.test('an earlier sidecar and new ones on a new control plane', { skip }, async (t) => {
  const [OLD, A, B] = [0, 1, 2];
  const world = await CaseWorld.start(t, 3, FRONTEND, { sidecars: [earlier] });
  const service = await world.service(t, PODS, { v1: 90, v2: 10 }, { affinity: persistent });
  const cookies = await world.service(t, PODS, { v1: 90, v2: 10 }, { affinity: inCookies });
  const first = await service.callAll(ids, OLD);
  const others = await service.callAll(newcomers, A);
  const ofOld = await firstVisits(cookies, world.caller(OLD));
  const ofNew = await firstVisits(cookies, world.caller(A));
  await eventually(
    'the new sidecars share',
    async () => (await metric(world.sidecars[B]?.admin ?? '', 'roost_sessions')) >= newcomers.length,
  );
  t.match(await planned(world, service), { livePins: 2000, note: '' }, 'plans count the sessions of both');
  await service.apply({ v1: 50, v2: 50 });
  await cookies.apply({ v1: 50, v2: 50 });
  t.same(moved(first, await service.callAll(ids, OLD)), [], 'the earlier one keeps its sessions');
  t.same(moved(others, await service.callAll(newcomers, B)), [], 'the new ones share theirs');
  t.same(await broken(cookies, ofOld, world.caller(B)), [], 'new sidecars read earlier cookies');
  t.same(await broken(cookies, ofNew, world.caller(OLD)), [], 'earlier sidecars read new cookies');

  const hashed = await world.service(t, PODS, { v1: 60, v2: 40 }, { affinity: balanced });
  t.same(moved(await hashed.callAll(ids, OLD), await hashed.callAll(ids, A)), [], 'all hash alike');
  const auto = { affinity: { ...balanced, salt: 'auto' } };
  const sampled = await world.service(t, PODS, { v1: 60, v2: 40 }, auto);
  t.same(
    flips(await sampled.callAll(ids, OLD), await sampled.callAll(ids, A)),
    [],
    'salt: auto: the same release, perhaps another endpoint',
  );
});

t.test(
  'new sidecars on an earlier control plane, which is then replaced, and put back',
  { skip },
  async (t) => {
    const [NEW, OLD] = [0, 1];
    const data = ['--data-dir', join(await temporaryFolder(t), 'data')];
    const states = await Promise.all([temporaryFolder(t), temporaryFolder(t)]);
    let { grpc, process } = await startControlPlane(t, data, {}, earlier);
    const world = await CaseWorld.start(t, 2, FRONTEND, {
      controlPlane: grpc,
      sidecars: [undefined, earlier],
      flags: states.map((folder) => ['--state-dir', folder]),
    });
    const service = await world.service(t, PODS, { v1: 90, v2: 10 }, { affinity: persistent });
    const cookies = await world.service(t, PODS, { v1: 90, v2: 10 }, { affinity: inCookies });
    const { admin, process: sidecar } = world.sidecars[NEW] as (typeof world.sidecars)[number];
    await sidecar.logged(SHARES_NONE);
    const first = await service.callAll(ids, NEW);
    t.equal(await metric(admin, 'roost_session_sharing_waits_total'), 0, 'no call waits for pins');
    const visits = [
      ...(await firstVisits(cookies, world.caller(NEW))),
      ...(await firstVisits(cookies, world.caller(OLD))),
    ];
    t.match(
      await planned(world, service),
      { livePins: ids.length, note: '' },
      'its plans count the sessions',
    );
    const { code, stderr } = await roost(['sessions', service.host, '--control-plane', grpc]);
    t.equal(code, 1);
    t.match(stderr, /older one/, 'a new command says what the control plane does not know');
    await service.apply({ v1: 50, v2: 50 });
    await cookies.apply({ v1: 50, v2: 50 });

    const holds = async (when: string) => {
      t.same(moved(first, await service.callAll(ids, NEW)), [], `${when}: sessions stay`);
      for (const each of [NEW, OLD])
        t.same(
          await broken(cookies, visits, world.caller(each)),
          [],
          `${when}: cookies hold, sidecar ${each}`,
        );
    };
    await holds('with the earlier control plane');
    for (const [when, program] of [
      ['with the new one on its data', undefined],
      ['with the earlier one again', earlier],
    ] as const) {
      await process.kill('SIGTERM');
      ({ process } = await startControlPlane(t, [...data, '--grpc', grpc], {}, program));
      // Returns when both sidecars have it.
      await service.apply(program === undefined ? { v1: 40, v2: 60 } : { v1: 30, v2: 70 });
      await holds(when);
      t.equal(linesOf(sidecar, SHARES_NONE), 1, 'one line, however long it is so');
      // Sooner than in the minute after which a control plane that shares no pins is asked again.
      if (program === undefined)
        await eventually(
          'pins are shared',
          async () => (await metric(admin, 'roost_session_sharing_connected')) === 1,
          40_000,
        );
    }

    await process.kill('SIGTERM');
    await Promise.all(world.sidecars.map((each) => each.process.kill('SIGTERM')));
    for (const [i, program] of [earlier, undefined].entries()) {
      const caller = await withoutControlPlane(t, states[i] as string, grpc, program);
      t.same(await broken(cookies, visits, caller), [], `sidecar ${i}'s state serves the other version`);
    }
  },
);

t.test('control planes of both versions over one etcd', { skip: skip || ETCD.skip }, async (t) => {
  const etcd = await EtcdCluster.start(t);
  const store = (name: string) => ['--store', etcd.store(), '--replica', name];
  const one = await startControlPlane(t, store('earlier'), {}, earlier);
  const other = await startControlPlane(t, store('new'));
  const [atOne, atOther] = (await Promise.all(
    [one, other].map(({ grpc }) => CaseWorld.start(t, 1, FRONTEND, { controlPlane: grpc })),
  )) as [CaseWorld, CaseWorld];
  const service = await atOne.service(t, PODS, { v1: 90, v2: 10 }, { affinity: balanced });
  const callOther = async () => (await atOther.caller().all(ids.map((i) => service.request(i)))).map(bodyOf);
  const first = await service.callAll(ids);
  await eventually('the service is known at both', async () => {
    const [answer] = await atOther.caller().all([service.request(0)]);
    return answer?.status === 200;
  });
  t.same(await callOther(), first, 'the new one serves what the earlier one has stored');
  const split = [
    { version: 'v1', weight: 1 },
    { version: 'v2', weight: 0 },
  ];
  await atOther.change('Split', { name: service.host, split });
  await eventually('it is in force at both', async () => share(await service.callAll(ids), 'v1') === 1);
  t.equal(share(await callOther(), 'v1'), 1, 'and the other way round');
  const errors = [one, other]
    .flatMap(({ process }) => process.log)
    .filter(({ level }) => Number(level) >= 50);
  t.same(errors, [], 'neither has an error to tell');
});

function linesOf({ log }: RoostProcess, message: string): number {
  return log.filter(({ msg }) => msg === message).length;
}

/** A sidecar that has nothing but what another one has written. */
async function withoutControlPlane(
  t: Test,
  state: string,
  controlPlane: string,
  program: string | undefined,
) {
  const args = [...FRONTEND, '--control-plane', controlPlane, '--state-dir', state];
  const { outbound, admin } = await startSidecar(t, args, {}, program);
  await isReady(admin);
  return new FastCaller(t, outbound);
}
