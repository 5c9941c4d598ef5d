import t from 'tap';
import { PushQueue } from '../../../../control-plane/ads/push-queue.js';

/** A queue on a clock of the test's, whose clients are told by the number of changes so far. */
class Harness {
  clients: string[] = [];
  nowMs = 1000;
  /** What each push takes. */
  pushMs = 0;
  changes = 0;
  /** `client@changes`, in order. */
  readonly pushed: string[] = [];
  readonly rounds: number[] = [];
  readonly queue: PushQueue<string>;
  onPush: (client: string) => void = () => {};
  private timers: { readonly atMs: number; readonly work: () => void }[] = [];
  private turns: (() => void)[] = [];

  constructor() {
    this.queue = new PushQueue({
      clients: () => this.clients,
      push: (client) => {
        this.nowMs += this.pushMs;
        this.pushed.push(`${client}@${this.changes}`);
        this.onPush(client);
      },
      onRound: (tookMs) => this.rounds.push(tookMs),
      timing: {
        nowMs: () => this.nowMs,
        soon: (work) => void this.turns.push(work),
        after: (ms, work) => void this.timers.push({ atMs: this.nowMs + ms, work }),
      },
    });
  }

  change(): void {
    this.changes++;
    this.queue.pushChanges();
  }

  /** One turn of the event loop. */
  turn(): void {
    for (const work of this.turns.splice(0)) work();
  }

  pass(ms: number): void {
    this.nowMs += ms;
    const due = this.timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.timers = this.timers.filter((timer) => !due.includes(timer));
    for (const { work } of due) work();
  }
}

const named = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);

t.test('a change that comes when nothing is going on goes out at once', async (t) => {
  const harness = new Harness();
  harness.clients = ['a', 'b'];
  harness.change();
  t.same(harness.pushed, ['a@1', 'b@1']);
  t.same(harness.rounds, [0]);
});

t.test('other work has its turn after every 32 clients', async (t) => {
  const harness = new Harness();
  harness.clients = named(70);
  harness.change();
  t.equal(harness.pushed.length, 32);
  harness.turn();
  t.equal(harness.pushed.length, 64);
  harness.turn();
  t.equal(harness.pushed.length, 70);
});

t.test('changes that come faster than rounds are made merge', async (t) => {
  const harness = new Harness();
  harness.clients = named(40);
  harness.pushMs = 1;
  harness.change();
  for (let i = 0; i < 9; i++) harness.change();
  harness.turn();
  t.equal(harness.pushed.length, 40, 'a client is in a round once');
  t.equal(harness.pushed.at(-1), 'c39@10', 'and is told what there is by then');
  for (let i = 0; i < 90; i++) harness.change();
  t.equal(harness.pushed.length, 40, 'no round without a rest');
  harness.pass(39);
  t.equal(harness.pushed.length, 40, 'as long as the round took');
  harness.pass(1);
  harness.turn();
  t.equal(harness.pushed.length, 80);
  t.equal(harness.pushed.at(-1), 'c39@100');
  harness.pass(1000);
  t.equal(harness.pushed.length, 80, 'and then there is nothing more to do');
  t.same(harness.rounds, [40, 88], 'from the first change that the round was about');
});

t.test('a change during a rest waits for its end, and one after it does not', async (t) => {
  const harness = new Harness();
  harness.clients = ['a'];
  harness.pushMs = 20;
  harness.change();
  harness.pass(10);
  harness.change();
  t.same(harness.pushed, ['a@1']);
  harness.pass(10);
  t.same(harness.pushed, ['a@1', 'a@2']);
  harness.pass(20);
  harness.change();
  t.same(harness.pushed, ['a@1', 'a@2', 'a@3']);
});

t.test('a client that leaves in the midst of a round is not pushed to', async (t) => {
  const harness = new Harness();
  harness.clients = named(40);
  harness.onPush = (client) => {
    if (client === 'c0') harness.queue.forget('c39');
  };
  harness.change();
  harness.turn();
  t.equal(harness.pushed.length, 39);
});

t.test('without clients there is no round, and the first one is served at once', async (t) => {
  const harness = new Harness();
  harness.change();
  t.same(harness.rounds, []);
  harness.clients = ['a'];
  harness.change();
  t.same(harness.pushed, ['a@2']);
});
