import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  balanced,
  type CaseService,
  CaseWorld,
  flips,
  moved,
  persistent,
  releaseOf,
  share,
} from '../support/case-world.js';
import { eventually } from '../support/processes.js';
import { sharedControlPlanes, sharingFlags } from '../support/sharing-variants.js';

/** SEMANTICS S4 rule 4, case 36: `salt: auto` through three pods of one caller, as black boxes. */

const SESSIONS = 10_000;
const ids = Array.from({ length: SESSIONS }, (_, i) => i);
const [A, B, C] = [0, 1, 2];
const PODS = { v1: 2, v2: 2, v3: 2 };
const world = await CaseWorld.start(t, 3, ['--service', 'frontend.shop', ...sharingFlags()], {
  controlPlanes: sharedControlPlanes(),
});

/** v2 at 10, then all on v2. @returns the sessions that v2 met first */
async function promoteV2(service: CaseService): Promise<number[]> {
  const first = await service.callAll(ids, A);
  await service.apply({ v2: 100 });
  return ids.filter((i) => releaseOf(first[i]) === 'v2');
}

t.test('36: the next canary does not meet the same sessions first', async (t) => {
  const affinity = { ...persistent, salt: 'auto', ttl: '1s' };
  const service = await world.service(t, PODS, { v1: 90, v2: 10 }, { affinity });
  const met = await promoteV2(service);
  t.ok(Math.abs(met.length / SESSIONS - 0.1) < 0.01);
  await service.apply({ v2: 90, v3: 10 });
  await eventually('the pins of the first rollout have ended', async () => {
    await sleep(1500);
    return share(await service.callAll(met, B), 'v3') > 0.05;
  });
  const places = await service.callAll(met, C);
  t.ok(share(places, 'v3') < 0.15, `about a tenth of them are on v3: ${share(places, 'v3')}`);
});

t.test('36: a new sample moves no pinned session', async (t) => {
  const affinity = { ...persistent, salt: 'auto' };
  const service = await world.service(t, PODS, { v1: 90, v2: 10 }, { affinity });
  await promoteV2(service);
  const promoted = await service.callAll(ids, A);
  for (const pod of [B, C])
    await eventually(
      `pod ${pod} knows the pins`,
      async () => moved(promoted, await service.callAll(ids, pod)).length === 0,
    );
  await service.apply({ v2: 90, v3: 10 });
  for (const pod of [A, B, C]) t.same(moved(promoted, await service.callAll(ids, pod)), [], `pod ${pod}`);
  const fresh = Array.from({ length: SESSIONS }, (_, i) => `late-${i}`);
  t.ok(Math.abs(share(await service.callAll(fresh, B), 'v3') - 0.1) < 0.01, 'new sessions follow the split');
});

t.test('S4.4: every sidecar has the same sample, for the release only', async (t) => {
  const affinity = { ...balanced, salt: 'auto' };
  const service = await world.service(t, PODS, { v1: 100, v2: 0 }, { affinity });
  const alone = await service.callAll(ids, A);
  await service.apply({ v1: 90, v2: 10 });
  const first = await service.callAll(ids, A);
  t.same(moved(alone, first), flips(alone, first), 'who stays on v1 stays on the endpoint');
  t.ok(Math.abs(share(first, 'v2') - 0.1) < 0.01);
  for (const pod of [B, C]) t.same(moved(first, await service.callAll(ids, pod)), [], `pod ${pod}`);

  await service.apply({ v1: 80, v2: 20 });
  await service.apply({ v1: 90, v2: 10 });
  t.same(moved(first, await service.callAll(ids, B)), [], 'a rollout has one sample from start to end');
  await service.apply({ v1: 100 });
  await service.apply({ v1: 90, v2: 10 });
  const second = await service.callAll(ids, C);
  const both = ids.filter((i) => releaseOf(first[i]) === 'v2' && releaseOf(second[i]) === 'v2');
  t.ok(both.length < 0.02 * SESSIONS, `another rollout has another one: ${both.length} are in both`);
});
