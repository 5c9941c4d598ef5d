import { setTimeout as pause } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import t from 'tap';
import type { SessionsResponse } from '../../src/api/config-service.js';
import type { View } from '../../src/sessions/endpoint-view.js';
import { type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { messages } from '../../src/xds/fields.js';
import { type CaseService, CaseWorld, moved, persistent, releaseOf } from '../support/case-world.js';
import { CutOff } from '../support/cut-off.js';
import { metric } from '../support/exposition.js';
import { eventually } from '../support/processes.js';

/**
 * SEMANTICS S4.5, S5 and S6: two pods of one caller as black boxes, of which the first is cut off from some endpoints
 * by a network of its own.
 */

t.setTimeout(180_000);

const users = Array.from({ length: 500 }, (_, i) => i);
const FRONTEND = ['--service', 'frontend.shop'];
const [A, B] = [0, 1];
const network = new CutOff(t);
const world = await CaseWorld.start(t, 1, FRONTEND, { env: network.env });
await world.addSidecar(t, FRONTEND);

const metricOf = (sidecar: number, name: string) => metric(world.sidecars[sidecar]?.admin ?? '', name);
const disputed = (sidecar: number) => metricOf(sidecar, 'roost_session_sharing_disputed_endpoints');

/** How many sessions are shared for each release and endpoint. */
async function sharedPins({ host }: CaseService): Promise<string[]> {
  const { counts } = await world.call<SessionsResponse>('Sessions', { name: host });
  return counts.map(({ release, endpoint, sessions }) => `${release} ${endpoint} ${sessions}`).sort();
}

/** Sessions that begin at B, and that A knows before it calls. */
async function begin(service: CaseService): Promise<string[]> {
  // A follows the service from its first call on.
  await service.callAll(['first'], A);
  const before = await metricOf(A, 'roost_sessions');
  const first = await service.callAll(users, B);
  const known = async () => (await metricOf(A, 'roost_sessions')) >= before + users.length;
  await eventually('A knows the sessions', known);
  return first;
}

/** Every session calls, through one pod of the caller after the other, while A is cut off. */
async function alternate(
  t: Tap,
  service: CaseService,
  first: readonly string[],
  lost: (place: string) => boolean,
) {
  for (let round = 0; round < 6; round++) {
    const atA = await service.callAll(users, A);
    t.equal(atA.filter(lost).length, 0, 'A goes where it can');
    t.same(
      moved(first, atA).filter((i) => !lost(first[i] as string)),
      [],
      'and leaves all others where they are',
    );
    t.same(moved(first, await service.callAll(users, B)), [], 'B notices nothing');
    await pause(400);
  }
}

type Tap = { equal: typeof t.equal; same: typeof t.same };

t.test('one pod of the caller cannot reach an endpoint: no shared pin moves', async (t) => {
  const service = await world.service(t, { v1: 3 }, { v1: 100 }, { affinity: persistent });
  const lost = service.backend('v1-1');
  network.from(lost.address);
  const first = await begin(service);
  const pins = await sharedPins(service);
  await alternate(t, service, first, (place) => place === 'v1-1');
  t.same(await sharedPins(service), pins, '`roost sessions` says the same');
  t.equal(await disputed(A), 1);
  t.equal(await disputed(B), 0);
  network.from();
  await eventually('A is back', async () => (await disputed(A)) === 0);
  t.same(moved(first, await service.callAll(users, A)), [], 'all are where they were');
});

t.test('one pod of the caller has lost a release: nobody is pinned to stable', async (t) => {
  const service = await world.service(
    t,
    { v1: 2, v2: 2 },
    { v1: 60, v2: 40 },
    { affinity: { ...persistent, failoverRepin: '1s' }, stable: 'v1' },
  );
  network.from(service.backend('v2-1').address, service.backend('v2-2').address);
  const first = await begin(service);
  const pins = await sharedPins(service);
  await alternate(t, service, first, (place) => releaseOf(place) === 'v2');
  t.same(await sharedPins(service), pins);
  network.from();
  await eventually('A is back', async () => (await disputed(A)) === 0);
  t.same(moved(first, await service.callAll(users, A)), []);
});

t.test(
  'a pod that dies loses its sessions once; when it returns, all pods of the caller use it',
  async (t) => {
    const service = await world.service(t, { v1: 3 }, { v1: 100 }, { affinity: persistent });
    const first = await begin(service);
    const pod = service.backend('v1-1');
    await pod.stop();
    await eventually('all have left', async () => {
      await service.callAll([...users, 'first'], A);
      return (await sharedPins(service)).every((pin) => !pin.includes(pod.address));
    });
    const after = await service.callAll(users, A);
    t.same(
      moved(first, after).filter((i) => first[i] !== 'v1-1'),
      [],
      'only its sessions',
    );
    t.same(moved(after, await service.callAll(users, B)), [], 'by the same pins');
    await pause(3000);

    await pod.listen();
    const from = performance.now();
    let fresh = 0;
    const uses = (sidecar: number) =>
      eventually(`sidecar ${sidecar} uses it`, async () => {
        const some = Array.from({ length: 20 }, () => `late-${sidecar}-${fresh++}`);
        return (await service.callAll(some, sidecar)).includes('v1-1');
      }).then(() => performance.now() - from);
    const [a, b] = await Promise.all([uses(A), uses(B)]);
    t.comment(
      `taken up after ${a.toFixed()} ms and ${b.toFixed()} ms: ${Math.abs(a - b).toFixed()} ms apart`,
    );
    for (const sidecar of [A, B])
      t.same(moved(after, await service.callAll(users, sidecar)), [], 'its sessions of before stay away');
  },
);

t.test('a sidecar that complains of every endpoint that it hears of moves nobody', async (t) => {
  const service = await world.service(t, { v1: 3 }, { v1: 100 }, { affinity: persistent });
  const liar = new Liar(service.host);
  t.teardown(() => liar.close());
  network.from(...(service.backends.get('v1') ?? []).slice(1).map(({ address }) => address));
  const first = await begin(service);
  await service.callAll(users, A);
  await eventually('the liar knows endpoints', () => liar.heardOf.size === 2);
  network.from();
  for (let round = 0; round < 20; round++) {
    liar.say(round % 4 === 3 ? 'GOOD' : 'UNREACHABLE');
    t.same(moved(first, await service.callAll(users, B)), []);
    await pause(50);
  }
  await eventually('A is back', async () => (await disputed(A)) === 0);
  liar.say('EJECTED');
  t.same(moved(first, await service.callAll(users, A)), []);
});

/** Shares no pins, and says of endpoints what it likes. */
class Liar {
  readonly heardOf = new Set<number>();
  private readonly client = new Client(world.controlPlane, credentials.createInsecure());
  private readonly stream;

  constructor(private readonly service: string) {
    const method = serviceDefinition('roost.v1.SessionService').Share;
    if (method === undefined) throw new Error('no such method');
    const { path, requestSerialize, responseDeserialize } = method;
    this.stream = this.client.makeBidiStreamRequest<object, Message>(
      path,
      requestSerialize,
      responseDeserialize,
    );
    this.stream.on('error', () => {});
    this.stream.on('data', ({ views }: Message) => {
      for (const { endpoints } of messages(views))
        for (const { endpoint } of messages(endpoints)) this.heardOf.add(Number(endpoint));
    });
    const caller = { id: 'liar', service: 'frontend', namespace: 'shop' };
    this.stream.write({ caller, follow: [{ service, ttlMs: 3_600_000 }] });
  }

  say(view: View): void {
    const views = [...this.heardOf].map((endpoint) => ({ service: this.service, endpoint, view }));
    this.stream.write({ views });
  }

  close(): void {
    this.stream.cancel();
    this.client.close();
  }
}
