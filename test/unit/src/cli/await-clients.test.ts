import t from 'tap';
import type { AwaitProgress } from '../../../../src/api/config-service.js';
import { describeReach, failureOf, followClients, type Reach } from '../../../../src/cli/await-clients.js';
import { CommandError, ConnectionError } from '../../../../src/cli/exit.js';

type Answer = Partial<AwaitProgress> | Error;

const NONE: AwaitProgress = { connected: 0, settled: 0, rejections: [], done: false, late: [] };
const LOST = new ConnectionError('the control plane at cp:1 does not answer (ECONNREFUSED)');

/** Calls of a control plane, one after the other; the last goes on for ever. Time passes where it says so. */
async function follow(calls: readonly (readonly Answer[])[], timeoutMs = 30_000, wasAway = false) {
  let nowMs = 0;
  let made = 0;
  const askedMs: number[] = [];
  const client = {
    wasAway,
    async *stream<Event>(_method: string, request: object): AsyncGenerator<Event> {
      const { timeoutMs: leftMs } = request as { timeoutMs: number };
      askedMs.push(leftMs);
      for (const answer of calls[Math.min(made++, calls.length - 1)] ?? []) {
        if (answer instanceof Error) throw answer;
        const progress = { ...NONE, ...answer };
        yield progress as Event;
        if (answer.done === undefined) nowMs += leftMs;
      }
    },
  };
  const pause = async (ms: number) => {
    nowMs += ms;
  };
  const timing = { now: () => nowMs, pause };
  const reach = await followClients(client, 7, timeoutMs, timing);
  return { reach, nowMs, askedMs };
}

/** What the command prints for it, and its exit code. */
function verdict(reach: Reach): [number, ...string[]] {
  const failure = failureOf(reach, 7);
  return failure === undefined
    ? [0, describeReach(reach)]
    : [failure.exitCode, ...failure.details, failure.message];
}

t.test('every client has it, or there is none', async (t) => {
  const all = await follow([[{ connected: 2, settled: 2, done: true }]]);
  t.same([all.nowMs, ...verdict(all.reach)], [0, 0, 'in force on 2 clients']);
  const none = await follow([[{ done: true }]]);
  t.same(verdict(none.reach), [0, 'no client is connected']);
});

t.test('a control plane that goes away is asked again until time is up', async (t) => {
  const { reach, nowMs, askedMs } = await follow([[{ connected: 2, settled: 1, done: false }, LOST], [LOST]]);
  t.ok(nowMs >= 29_900 && nowMs <= 30_250, `it took ${nowMs} ms`);
  t.ok(askedMs.length > 100);
  t.same(verdict(reach), [
    4,
    'and 1 client more',
    'stored as revision 7, but it is not known which clients have it, of 2 clients 1 had it before: ' +
      'the control plane at cp:1 does not answer (ECONNREFUSED)',
  ]);
});

t.test('one that comes back is believed once its clients are back', async (t) => {
  const { reach, nowMs } = await follow([
    [{ connected: 2, settled: 1, done: false }, LOST],
    [LOST],
    [{ connected: 0, settled: 0, done: true }],
    [{ connected: 1, settled: 1, done: true }],
    [{ connected: 2, settled: 2, done: true }],
  ]);
  t.same([nowMs, ...verdict(reach)], [1000, 0, 'in force on 2 clients']);
});

t.test('clients that do not come back are missing, and are not waited for to the end', async (t) => {
  const { reach, nowMs } = await follow([
    [{ connected: 2, settled: 1, done: false }, LOST],
    [{ connected: 1, settled: 1, done: true }],
  ]);
  t.equal(nowMs, 10_000);
  t.same(verdict(reach), [
    4,
    'stored as revision 7, 1 of 2 clients have it (1 of them not seen again since the control plane was away); ' +
      'see "roost status"',
  ]);
});

t.test('one that was lost before it said anything has its clients back after a while', async (t) => {
  const { reach, nowMs } = await follow([[LOST], [{ connected: 1, settled: 1, done: true }]]);
  t.same([nowMs, ...verdict(reach)], [10_000, 0, 'in force on 1 client']);
});

t.test('a control plane that is stopped in good order is asked again, too', async (t) => {
  const { reach } = await follow([
    [{ connected: 1, settled: 0, done: false }],
    [{ connected: 1, settled: 1, done: true }],
  ]);
  t.same(verdict(reach), [0, 'in force on 1 client']);
});

t.test('an answer that does not change ends it, with the reason', async (t) => {
  const { reach, nowMs } = await follow([[new CommandError('this token may not do that')]]);
  t.same(
    [nowMs, ...verdict(reach)],
    [0, 4, 'stored as revision 7, but it is not known which clients have it: this token may not do that'],
  );
});

t.test('those that are late are named, and how many more there are', async (t) => {
  const late = [
    { client: 'frontend-1', silentMs: 42_000, lateBefore: true },
    { client: 'frontend-2', silentMs: 3000, lateBefore: false },
    { client: '', silentMs: 0, lateBefore: false },
  ];
  const { reach } = await follow([[{ connected: 9, settled: 4, late }]]);
  t.same(verdict(reach), [
    4,
    'frontend-1: has not answered for 42s; it was late before this change, and is not waited for',
    'frontend-2: has not answered for 3s',
    'a client without a name: has not been told yet',
    'and 2 clients more',
    'stored as revision 7, 4 of 9 clients have it; see "roost status"',
  ]);
});

t.test('where only those are left that were late before, the wait is over', async (t) => {
  const late = [{ client: 'silent', silentMs: 42_000, lateBefore: true }];
  const { reach, nowMs } = await follow([[{ connected: 2, settled: 1, done: true, late }]]);
  t.equal(nowMs, 0);
  t.equal(verdict(reach)[0], 4);
});

t.test('what clients reject is said with the reason', async (t) => {
  const rejections = [{ client: 'odd-one', type: 'route', reason: 'no such luck', revision: 7 }];
  const { reach } = await follow([[{ connected: 1, settled: 1, done: true, rejections }]]);
  t.same(verdict(reach), [
    4,
    'odd-one: route: no such luck',
    'stored as revision 7, but 1 of 1 client rejected it and run what they had',
  ]);
});

t.test(
  'a control plane that was not there at first may have just started: sidecars have a moment',
  async (t) => {
    const some = await follow(
      [[{ done: true }], [{ done: true }], [{ connected: 1, settled: 1, done: true }]],
      30_000,
      true,
    );
    t.same([some.nowMs, ...verdict(some.reach)], [500, 0, 'in force on 1 client']);
    const none = await follow([[{ done: true }]], 30_000, true);
    t.same([none.nowMs, ...verdict(none.reach)], [3000, 0, 'no client is connected']);
  },
);
