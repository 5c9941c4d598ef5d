import t from 'tap';
import { xxh64 } from '../../../src/hashing/xxh64.js';
import {
  balanced,
  bodyOf,
  type CaseService,
  moved,
  persistent,
  releaseOf,
} from '../../support/case-world.js';
import { eventually } from '../../support/processes.js';
import { LINUX_ONLY } from '../../support/two-workers.js';
import { WorkerWorld } from '../../support/worker-world.js';

/** What sessions are promised, of a sidecar whose workers each get a part of every session's requests. */

t.setTimeout(600_000);
const CHANGES = 200;
let world: WorkerWorld;
t.before(async () => {
  if (!('skip' in LINUX_ONLY)) world = await WorkerWorld.start(t);
});

/** Users whose slot changes hands when the canary goes from 10 % to 20 % (S4). */
const inMovingSlots = Array.from({ length: 200 }, (_, i) => `mover-${i}`).filter((user) => {
  const slot = Number(xxh64(`user-${user}`) % 10_000n);
  return slot >= 8000 && slot < 9000;
});

/** One session after another request, each over another connection, until told to stop. */
class Session {
  readonly releases: string[] = [];
  readonly failures: string[] = [];
  private running = true;
  readonly ended: Promise<void>;

  constructor(
    private readonly service: CaseService,
    readonly user: string,
  ) {
    this.ended = this.run();
  }

  stop(): Promise<void> {
    this.running = false;
    return this.ended;
  }

  /** How often it was answered by another release than before. */
  get moves(): number {
    return this.releases.filter((release, i) => i > 0 && release !== this.releases[i - 1]).length;
  }

  private async run(): Promise<void> {
    while (this.running) {
      const answer = await world.one(this.service.request(this.user));
      if (answer.status === 200) this.releases.push(releaseOf(answer.body) as string);
      else this.failures.push(`${answer.status} ${answer.error}: ${answer.body}`);
    }
  }
}

t.test(
  'a change of weights is everywhere at once: who has seen it never sees what was before',
  LINUX_ONLY,
  async (t) => {
    const service = await world.cases.service(
      t,
      { v1: 2, v2: 2 },
      { v1: 90, v2: 10 },
      { affinity: balanced },
    );
    const sessions = inMovingSlots.slice(0, 8).map((user) => new Session(service, user));
    t.teardown(() => Promise.all(sessions.map((session) => session.stop())));
    await eventually('every session has begun', () => sessions.every(({ releases }) => releases.length > 0));
    for (let change = 1; change <= CHANGES; change++) {
      const expected = change % 2 === 1 ? 'v2' : 'v1';
      const sent = sessions.map(({ releases }) => releases.length);
      await service.apply(expected === 'v2' ? { v1: 80, v2: 20 } : { v1: 90, v2: 10 });
      // Whatever is sent from now on, whichever worker it comes to.
      const fresh = await world.all(inMovingSlots.slice(8).map((user) => service.request(user)));
      const late = fresh.map(bodyOf).filter((body) => releaseOf(body) !== expected);
      if (late.length > 0)
        t.fail(`change ${change} had been acknowledged: ${late.length} still went elsewhere`);
      await eventually('every session meets the change', () =>
        sessions.every(
          ({ releases }, i) => releases.length > (sent[i] as number) + 5 && releases.at(-1) === expected,
        ),
      );
    }
    await Promise.all(sessions.map((session) => session.stop()));
    t.same(
      sessions.flatMap(({ failures }) => failures),
      [],
    );
    t.same(
      sessions.map(({ moves }) => moves),
      sessions.map(() => CHANGES),
      'each session has moved once with each change, and never back and forth',
    );
    const requests = sessions.reduce((sum, { releases }) => sum + releases.length, 0);
    const byWorker = await world.requestsByWorker();
    t.comment(`${requests} requests during ${CHANGES} changes; by worker: ${byWorker.join(', ')}`);
    t.ok(
      byWorker.every((count) => count > 0),
      `every worker had some: ${byWorker.join(', ')}`,
    );
  },
);

t.test(
  'pins without cookies: whichever worker is asked next, the session is where it was',
  LINUX_ONLY,
  async (t) => {
    const service = await world.cases.service(
      t,
      { v1: 3, v2: 3 },
      { v1: 50, v2: 50 },
      { affinity: persistent },
    );
    const requests = Array.from({ length: 3000 }, (_, i) => service.request(`pinned-${i}`));
    const before = (await world.all(requests)).map(bodyOf);
    for (const [v1, v2] of [
      [10, 90],
      [90, 10],
      [0, 100],
      [100, 0],
    ] as const) {
      await service.apply({ v1, v2 });
      for (let call = 0; call < 3; call++)
        t.same(
          moved(before, (await world.all(requests)).map(bodyOf)),
          [],
          `at ${v1}/${v2}, call ${call + 1}`,
        );
    }
    const sessions = (await world.metrics()).get('roost_sessions')?.samples[0]?.value;
    t.equal(sessions, requests.length, 'and each is one session, not one for each worker');
  },
);

t.test('sessions that begin in all workers at once are pinned to one pod', LINUX_ONLY, async (t) => {
  const affinity = { key: persistent.key, version: 'persistent', endpoint: 'persistent' };
  const service = await world.cases.service(t, { v1: 5, v2: 5 }, { v1: 50, v2: 50 }, { affinity });
  const users = Array.from({ length: 300 }, (_, i) => `twin-${i}`);
  const first = await Promise.all(
    users.map((user) => world.all(Array.from({ length: 6 }, () => service.request(user)))),
  );
  const again = (await world.all(users.map((user) => service.request(user)))).map(bodyOf);
  const places = first.map((answers) => new Set(answers.map(bodyOf)));
  t.same(
    places.filter(({ size }) => size !== 1),
    [],
  );
  t.same(
    again,
    places.map((set) => [...set][0]),
  );
});

t.test(
  'a pod that is lost is lost for all workers, and so is what they find in its place',
  LINUX_ONLY,
  async (t) => {
    const service = await world.cases.service(t, { v1: 4 }, { v1: 1 }, { affinity: persistent });
    const requests = Array.from({ length: 1000 }, (_, i) => service.request(`lost-${i}`));
    const before = (await world.all(requests)).map(bodyOf);
    await service.backend('v1-2').stop();
    await world.all(requests);
    const during = (await world.all(requests)).map(bodyOf);
    t.same(
      moved(before, during),
      [...before.keys()].filter((i) => before[i] === 'v1-2'),
      'only its sessions have moved',
    );
    for (let call = 0; call < 4; call++)
      t.same(moved(during, (await world.all(requests)).map(bodyOf)), [], 'once');
  },
);
