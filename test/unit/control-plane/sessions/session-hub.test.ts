import t from 'tap';
import type { HubMember } from '../../../../control-plane/sessions/hub-member.js';
import { SessionHub } from '../../../../control-plane/sessions/session-hub.js';
import { PinDigests } from '../../../../src/routing/pins.js';
import { PinRecords } from '../../../../src/sessions/pin-records.js';
import type { SharedSession } from '../../../../src/sessions/shared-pin.js';
import { codec } from '../../../../src/xds/descriptors.js';

const SECRET = Buffer.alloc(32, 1);
const CHECKOUT = 'checkout.shop';
const records = new PinRecords(SECRET);
const digests = new PinDigests(SECRET, CHECKOUT);
const HOUR_MS = 3_600_000;

interface Position {
  readonly service: string;
  readonly sequence: number;
  readonly complete: boolean;
  readonly wantsAll: boolean;
}

interface Response {
  readonly epoch: number;
  readonly pins: readonly { readonly service: string; readonly records: Uint8Array }[];
  readonly positions: readonly Position[];
  readonly taken: number;
  readonly siblingsFollow: readonly string[];
}

/** A sidecar's end of a stream. */
class Sidecar {
  readonly responses: Response[] = [];
  paused = false;
  /** Messages that it takes before it says that it can take no more. */
  room = Number.POSITIVE_INFINITY;
  readonly member: HubMember;

  constructor(hub: SessionHub, id: string, service = 'frontend', origin?: string) {
    this.member = hub.join(
      { id, service, namespace: 'shop', origin },
      {
        write: (bytes) => {
          this.responses.push(codec('roost.v1.ShareResponse').decode(bytes) as unknown as Response);
          return --this.room > 0;
        },
        pause: () => {
          this.paused = true;
        },
        resume: () => {
          this.paused = false;
        },
        end: () => {},
      },
    );
  }

  follow(from: { epoch: number; sequence: number } = { epoch: 0, sequence: 0 }, service = CHECKOUT): this {
    this.member.follow({ service, ttlMs: HOUR_MS, ...from });
    return this;
  }

  publish(sessions: readonly SharedSession[], number = 1): void {
    this.member.publish([{ service: CHECKOUT, records: records.write(sessions) }], number);
  }

  /** What it has been told, in order. */
  get told(): SharedSession[] {
    return this.responses.flatMap(({ pins }) =>
      pins.flatMap((batch) => records.read(Buffer.from(batch.records)).sessions),
    );
  }

  get lastPosition(): Position | undefined {
    return this.responses.flatMap(({ positions }) => positions).at(-1);
  }
}

function session(hash: number, over: Partial<SharedSession['pin']> = {}, idleS = 0): SharedSession {
  const pin = digests.pin({ release: 7, label: false }, '10.0.0.1:80');
  return {
    hash: BigInt(hash),
    pin: { ...pin, generation: 0, revision: 5, ...over },
    idleS,
    source: 0,
    tag: 3,
  };
}

function start(bounds = {}) {
  const clock = { nowMs: 1_000_000 };
  const hub = new SessionHub({
    secretOf: (service) => (service === CHECKOUT ? SECRET : undefined),
    nowMs: () => clock.nowMs,
    bounds,
  });
  return { hub, clock };
}

const hashes = (sessions: readonly SharedSession[]) => sessions.map(({ hash }) => Number(hash));

t.test('passes a pin on to whoever follows the service, and to nobody else', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const [a, b] = [new Sidecar(hub, 'a').follow(), new Sidecar(hub, 'b').follow()];
  const stranger = new Sidecar(hub, 'c');
  a.publish([session(1), session(2)]);
  t.same(b.told, [], 'gathered until the tick');
  hub.tick();
  t.same(hashes(b.told), [1, 2]);
  t.same([a.told, stranger.told], [[], []]);
  hub.tick();
  t.equal(b.told.length, 2, 'once');
});

t.test('what a member says of a service that it does not follow is not taken', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const b = new Sidecar(hub, 'b').follow();
  new Sidecar(hub, 'a').publish([session(1)]);
  hub.tick();
  t.same([b.told, hub.size], [[], 0]);
});

t.test('one that starts gets what there is, newest first, and is told when it has all', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const a = new Sidecar(hub, 'a').follow();
  t.match(a.lastPosition, { complete: true, wantsAll: true }, 'nothing is known: all that it has is wanted');
  a.publish(Array.from({ length: 5000 }, (_, i) => session(i)));
  const b = new Sidecar(hub, 'b').follow();
  t.same(
    hashes(b.told),
    Array.from({ length: 5000 }, (_, i) => 4999 - i),
  );
  t.match(b.lastPosition, { complete: true, wantsAll: false, service: CHECKOUT });
  t.ok(b.responses.every(({ pins }) => pins.every((batch) => batch.records.length <= 2000 * 48)));
});

t.test(
  'asks the first that knows the pins for all of them, though one that knows none came before',
  async (t) => {
    const { hub } = start();
    t.teardown(() => hub.close());
    const before = { epoch: hub.epoch + 1, sequence: 7 };
    const restarted = new Sidecar(hub, 'restarted').follow();
    restarted.publish([session(1)]);
    t.match(new Sidecar(hub, 'first').follow(before).lastPosition, { wantsAll: true });
    t.match(new Sidecar(hub, 'second').follow(before).lastPosition, { wantsAll: false }, 'one is enough');
    const again = new Sidecar(hub, 'restarted').follow({ epoch: hub.epoch, sequence: 0 });
    t.match(again.lastPosition, { wantsAll: false }, 'what it had, this control plane knows');
  },
);

t.test('one that comes back is told what it has missed', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const [a, b] = [new Sidecar(hub, 'a').follow(), new Sidecar(hub, 'b').follow()];
  a.publish([session(1)]);
  hub.tick();
  hub.leave(b.member);
  a.publish([session(2)]);
  hub.tick();
  const { epoch } = hub;
  const again = new Sidecar(hub, 'b').follow({ epoch, sequence: b.lastPosition?.sequence ?? -1 });
  t.same(hashes(again.told), [2]);
  const ofAnotherLife = new Sidecar(hub, 'b').follow({ epoch: epoch + 1, sequence: 1000 });
  t.same(hashes(ofAnotherLife.told), [2, 1]);
});

t.test('a service that has no sessions to share is complete at once', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const a = new Sidecar(hub, 'a').follow(undefined, 'unknown.shop');
  t.match(a.lastPosition, { service: 'unknown.shop', complete: true });
});

t.test('greets a sidecar with what its siblings follow', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  new Sidecar(hub, 'a').follow();
  const b = new Sidecar(hub, 'b');
  t.same(b.responses[0]?.siblingsFollow, [CHECKOUT]);
  const stranger = new Sidecar(hub, 'c', 'billing');
  t.same(stranger.responses[0]?.siblingsFollow, []);
  const early = new Sidecar(hub, 'd', 'billing');
  stranger.follow();
  t.same(early.responses.at(-1)?.siblingsFollow, [CHECKOUT], 'and later, with what is new');
  t.equal(b.responses.length, 1);
});

t.test('S6: of two pins the better wins, and whoever sent the other is told', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const [a, b, c] = ['a', 'b', 'c'].map((id) => new Sidecar(hub, id).follow()) as [Sidecar, Sidecar, Sidecar];
  a.publish([session(1, { release: 2 })]);
  b.publish([session(1, { release: 3 })]);
  hub.tick();
  t.same(
    c.told.map(({ pin }) => pin.release),
    [2],
  );
  t.same(b.told.at(-1)?.pin.release, 2);
  b.publish([session(1, { release: 3, generation: 1 })]);
  hub.tick();
  t.same(
    [a, b, c].map(({ told }) => told.at(-1)?.pin.release),
    [3, 2, 3],
  );
  t.equal(hub.counts.conflicts, 1);
});

t.test('a session in use is passed on coarsely, and one that nobody uses is forgotten', async (t) => {
  const { hub, clock } = start();
  t.teardown(() => hub.close());
  const [a, b] = [new Sidecar(hub, 'a').follow(), new Sidecar(hub, 'b').follow()];
  a.publish([session(1), session(2)]);
  hub.tick();
  clock.nowMs += HOUR_MS / 100;
  a.publish([session(1)]);
  hub.tick();
  t.equal(b.told.length, 2);
  clock.nowMs += HOUR_MS / 4;
  a.publish([session(1)]);
  hub.tick();
  t.same(hashes(b.told), [1, 2, 1]);
  clock.nowMs += HOUR_MS * 0.9;
  t.same(hashes(new Sidecar(hub, 'c').follow().told), [1]);
  a.publish([session(3, {}, 3601)]);
  t.notOk(hashes(new Sidecar(hub, 'd').follow().told).includes(3), 'idle for too long when it came');
});

t.test('a member that does not read has no queue here, and catches up', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const [a, b] = [new Sidecar(hub, 'a').follow(), new Sidecar(hub, 'b').follow()];
  b.room = 1;
  for (let i = 0; i < 10; i++) {
    a.publish([session(i)]);
    hub.tick();
  }
  t.equal(b.told.length, 1);
  b.room = Number.POSITIVE_INFINITY;
  b.member.onDrain();
  t.same(hashes(b.told), [0, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  a.publish([session(10)]);
  hub.tick();
  t.equal(hashes(b.told).at(-1), 10);
});

t.test('a flood pushes out the pins of the one that floods', async (t) => {
  const { hub } = start({ perService: 1000 });
  t.teardown(() => hub.close());
  const [a, flooder] = [new Sidecar(hub, 'a').follow(), new Sidecar(hub, 'flooder').follow()];
  a.publish(Array.from({ length: 400 }, (_, i) => session(i)));
  for (let i = 0; i < 50; i++)
    flooder.publish(Array.from({ length: 1000 }, (_, j) => session(1_000_000 + i * 1000 + j)));
  t.ok(hub.size <= 1000);
  const kept = hashes(new Sidecar(hub, 'b').follow().told).filter((hash) => hash < 400);
  t.equal(kept.length, 400);
});

t.test(
  'a flood under many names pushes out the pins of the one credential and address that floods',
  async (t) => {
    const { hub } = start({ perService: 1000 });
    t.teardown(() => hub.close());
    const calm = new Sidecar(hub, 'a', 'frontend', 'web 10.0.0.1').follow();
    calm.publish(Array.from({ length: 400 }, (_, i) => session(i)));
    for (let n = 0; n < 300; n++)
      new Sidecar(hub, `name-${n}`, 'frontend', 'shop 10.6.6.6')
        .follow()
        .publish(Array.from({ length: 100 }, (_, j) => session(1_000_000 + n * 100 + j)));
    const kept = hashes(new Sidecar(hub, 'b').follow().told).filter((hash) => hash < 400);
    t.equal(kept.length, 400);
  },
);

t.test('one that sends more than its rate is made to wait', async (t) => {
  const { hub, clock } = start();
  t.teardown(() => hub.close());
  const flooder = new Sidecar(hub, 'flooder').follow();
  const batch = Array.from({ length: 10_000 }, (_, i) => session(i));
  for (let i = 0; i < 21; i++) flooder.publish(batch);
  t.equal(flooder.paused, true);
  clock.nowMs += 1000;
  hub.tick();
  t.equal(flooder.paused, false);
  t.equal(hub.counts.delayed, 1);
});

t.test('bounds what is kept of all services', async (t) => {
  const { hub } = start({ perService: 1000, all: 100 });
  t.teardown(() => hub.close());
  new Sidecar(hub, 'a').follow().publish(Array.from({ length: 1000 }, (_, i) => session(i)));
  for (let i = 0; i < 200; i++) hub.tick();
  t.ok(hub.size <= 100);
});

t.test('acknowledges what it has taken', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const a = new Sidecar(hub, 'a').follow();
  a.publish([session(1)], 7);
  for (let i = 0; i < 10; i++) hub.tick();
  t.equal(a.responses.at(-1)?.taken, 7);
});

t.test('records that cannot be read are counted and harm nothing', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const [a, b] = [new Sidecar(hub, 'a').follow(), new Sidecar(hub, 'b').follow()];
  a.member.publish([{ service: CHECKOUT, records: Buffer.alloc(480, 3) }], 1);
  hub.tick();
  t.same([b.told, hub.counts.damaged], [[], 10]);
});

t.test('knows who is there, and when who left', async (t) => {
  const { hub } = start();
  t.teardown(() => hub.close());
  const a = new Sidecar(hub, 'a');
  t.same([hub.memberIds.has('a'), hub.leftAtMs('a')], [true, undefined]);
  hub.leave(a.member);
  t.equal(hub.memberIds.has('a'), false);
  t.ok((hub.leftAtMs('a') ?? 0) > 0);
});
