import t from 'tap';
import { bodyOf, CaseWorld, moved, persistent, releaseOf } from '../support/case-world.js';
import { type NamedBackend, startBackends } from '../support/fast-traffic.js';

/** More of the cases as black boxes, in processes: those that are about single requests and new pods. */

const SESSIONS = 2000;
const ids = Array.from({ length: SESSIONS }, (_, i) => i);
const COOKIE_KEY = [{ cookie: { name: 'sid', ttl: '1h' } }];
const world = await CaseWorld.start(t, 2);

t.test('12: new pods of the same release: the same release, another pod, and pinned there', async (t) => {
  const service = await world.service(t, { v1: 2, v2: 2 }, { v1: 50, v2: 50 }, { affinity: persistent });
  const before = await service.callAll(ids);
  const onV2 = ids.filter((i) => releaseOf(before[i]) === 'v2');
  const fresh = (await startBackends(t, { fresh: 2 })).get('fresh') as NamedBackend[];
  service.backends.set('v2', fresh);
  await service.apply({ v1: 50, v2: 50 });
  const after = await service.callAll(ids);
  t.same(moved(before, after), onV2, 'who was on v1 stays, who was on v2 is on a new pod');
  t.ok(onV2.length > 0 && onV2.every((i) => releaseOf(after[i]) === 'fresh'));
  fresh.push(...((await startBackends(t, { later: 1 })).get('later') as NamedBackend[]));
  await service.apply({ v1: 50, v2: 50 });
  t.same(moved(after, await service.callAll(ids)), [], 'a third pod takes none of them: the pins are new');
});

t.test('21: a cookie of a deleted service is replaced by one that keeps its session', async (t) => {
  const affinity = { ...persistent, key: COOKIE_KEY };
  const shapes = [{ v1: 2, v2: 2 }, { v1: 50, v2: 50 }, { affinity }] as const;
  const deleted = await world.service(t, ...shapes);
  const first = await world.caller().all(ids.slice(0, 200).map(() => ({ host: deleted.host })));
  const cookieOf = (setCookie: string | undefined) => setCookie?.split(';')[0] ?? '';
  await deleted.delete();
  const service = await world.service(t, ...shapes);
  const callWith = (cookies: readonly string[], sidecar: number) =>
    world
      .caller(sidecar)
      .all(cookies.map((cookie) => ({ host: service.host, headers: [['cookie', cookie]] as const })));
  const second = await callWith(
    first.map(({ setCookie }) => cookieOf(setCookie)),
    0,
  );
  t.ok(
    second.every(({ status, setCookie }) => status === 200 && setCookie !== undefined),
    'replaced',
  );
  const third = await callWith(
    second.map(({ setCookie }) => cookieOf(setCookie)),
    1,
  );
  t.same(moved(second.map(bodyOf), third.map(bodyOf)), [], 'and kept, through another sidecar');
  t.ok(third.every(({ setCookie }) => setCookie === undefined));
});

t.test('27: retries go to other pods of the release, never to another release', async (t) => {
  const retries = { attempts: 2, on: ['503'] };
  const service = await world.service(
    t,
    { v1: 2, v2: 3 },
    { v1: 50, v2: 50 },
    { affinity: persistent, retries },
  );
  const before = await service.callAll(ids);
  const onV2 = ids.filter((i) => releaseOf(before[i]) === 'v2');
  const ofV1 = () => (service.backends.get('v1') ?? []).reduce((sum, { requests }) => sum + requests, 0);
  const ill = service.backend('v2-1');
  const unhappy = onV2.filter((i) => before[i] === 'v2-1').slice(0, 100);
  const earlier = ofV1();
  ill.failing.push(...unhappy.map(() => 503));
  // One after the other: a cluster retries only so many requests at a time.
  for (const i of unhappy) {
    const place = bodyOf(await service.call(service.request(i)));
    if (releaseOf(place) !== 'v2' || place === 'v2-1') t.fail(`session ${i} was answered by ${place}`);
  }
  t.equal(ill.failing.length, 0, 'its pod was asked first, each time');
  t.same(
    await service.callAll(onV2),
    onV2.map((i) => before[i]),
    'the next call: the old pod',
  );
  for (const { failing } of service.backends.get('v2') ?? []) failing.push(...Array(10).fill(503));
  const { status } = await service.call(service.request(onV2[0] as number));
  t.equal(status, 503, 'all of v2 answers 503: so does the call');
  t.equal(ofV1(), earlier, 'v1 was never asked');
});
