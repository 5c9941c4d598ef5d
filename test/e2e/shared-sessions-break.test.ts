import t from 'tap';
import { CaseWorld, flips, moved, persistent } from '../support/case-world.js';
import { metric } from '../support/exposition.js';
import { eventually, startControlPlane } from '../support/processes.js';
import { sharingFlags } from '../support/sharing-variants.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** SEMANTICS S6, case 33, with three pods of one caller: one of them loses the control plane, and with it the relay. */

t.setTimeout(180_000);

const SESSIONS = 10_000;
const ids = Array.from({ length: SESSIONS }, (_, i) => i);
const [A, B, C] = [0, 1, 2];
const { grpc } = await startControlPlane(t, []);
const toB = await TcpProxy.start(t, grpc);
const world = await CaseWorld.start(t, 3, ['--service', 'frontend.shop', ...sharingFlags()], {
  controlPlanes: [grpc, toB.text, grpc],
});
const metricOf = (sidecar: number, name: string) => metric(world.sidecars[sidecar]?.admin ?? '', name);

t.test('33: sharing breaks, with new sessions and a weight change meanwhile, and comes back', async (t) => {
  const service = await world.service(t, { v1: 2, v2: 2 }, { v1: 90, v2: 10 }, { affinity: persistent });
  const old = await service.callAll(ids, A);
  await eventually('pod B knows them', async () => (await metricOf(B, 'roost_sessions')) >= SESSIONS);
  toB.cut();
  await eventually('B notices', async () => (await metricOf(B, 'roost_session_sharing_connected')) === 0);
  // B does not hear of the change, either.
  await service.apply({ v1: 20, v2: 80 });
  const fresh = ids.map((i) => `fresh-${i}`);
  const throughB = await service.callAll(fresh, B);
  const throughA = await service.callAll(fresh, A);
  t.ok(flips(throughA, throughB).length > 0, 'the two pin sessions differently, and no request fails');
  for (const pod of [A, B, C])
    t.same(moved(old, await service.callAll(ids, pod)), [], `known ones, pod ${pod}`);

  toB.restore();
  await eventually(
    'B shares again',
    async () => (await metricOf(B, 'roost_session_sharing_connected')) === 1,
  );
  let agreed: string[] = [];
  await eventually('all pods agree', async () => {
    agreed = await service.callAll(fresh, B);
    for (const pod of [A, C]) if (moved(agreed, await service.callAll(fresh, pod)).length > 0) return false;
    return true;
  });
  t.same(moved(throughB, agreed), [], 'the pin of the older revision wins: each session moved once at most');
  for (const pod of [A, B, C])
    t.same(moved(agreed, await service.callAll(fresh, pod)), [], `then none, pod ${pod}`);
});
