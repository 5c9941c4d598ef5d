import t from 'tap';
import type { Fault } from '../../../../bench/soak/faults.js';
import type { Pod } from '../../../../bench/soak/pods.js';
import { Session } from '../../../../bench/soak/session.js';

/** Six pods, of which the named ones are disturbed. */
function podsWith(...disturbed: readonly string[]): ReadonlyMap<string, Pod> {
  const names = ['v1-1', 'v1-2', 'v1-3', 'v2-1', 'v2-2', 'v2-3'];
  return new Map(
    names.map((name) => [name, { wasDisturbedSince: () => disturbed.includes(name) } as unknown as Pod]),
  );
}

const CALM = podsWith();
const by = (servedBy: string, fault?: Fault) => ({ servedBy, sentAtMs: 0, fault });

t.test('a session that stays where it is', async (t) => {
  const session = new Session('user-1');
  t.equal(session.judge(by('v1-2'), CALM), 'first');
  t.equal(session.judge(by('v1-2'), CALM), 'stayed');
});

t.test('another release is a flip, whatever happened to pods', async (t) => {
  const session = new Session('user-1');
  session.judge(by('v1-2'), CALM);
  t.equal(session.judge(by('v2-2'), podsWith('v1-2')), 'flip');
});

t.test('another pod without a cause is a hop, also when a third pod is disturbed', async (t) => {
  for (const pods of [CALM, podsWith('v1-3'), podsWith('v2-1')]) {
    const session = new Session('user-1');
    session.judge(by('v1-2'), CALM);
    t.equal(session.judge(by('v1-1'), pods), 'hop-without-cause');
    t.equal(session.judge(by('v1-1'), CALM), 'stayed', 'and counted once');
  }
});

t.test('after its pod was killed a session may stay or come back, once', async (t) => {
  for (const [back, away] of [
    ['v1-2', 'v1-1'],
    ['v1-1', 'v1-2'],
  ] as const) {
    const session = new Session('user-1');
    session.judge(by('v1-2'), CALM);
    t.equal(session.judge(by('v1-1'), podsWith('v1-2')), 'hop-with-cause');
    t.equal(session.judge(by(back), CALM), 'stayed');
    t.equal(session.judge(by(away), CALM), 'hop-without-cause');
  }
});

t.test(
  'a reset by its own pod is a cause for that request, a reset asked of another pod is none',
  async (t) => {
    const session = new Session('user-1');
    session.judge(by('v1-2'), CALM);
    t.equal(session.judge(by('v1-3', { kind: 'reset', pod: 2 }), CALM), 'hop-with-cause');
    t.equal(session.judge(by('v1-2'), CALM), 'stayed');
    t.equal(session.judge(by('v1-3', { kind: 'reset', pod: 1 }), CALM), 'hop-without-cause');
  },
);

t.test('a first answer under disturbance tells the release, and not the pod', async (t) => {
  const session = new Session('user-1');
  t.equal(session.judge(by('v1-1'), podsWith('v1-3')), 'first');
  t.equal(session.judge(by('v1-3'), CALM), 'stayed');
  t.equal(session.judge(by('v1-1'), CALM), 'hop-without-cause');
  t.equal(session.judge(by('v2-1'), CALM), 'flip');
});

t.test('an unanswered request leaves open where the pin went only if the pod was disturbed', async (t) => {
  const session = new Session('user-1');
  session.judge(by('v1-1'), CALM);
  session.unanswered(0, CALM);
  t.equal(session.judge(by('v1-2'), CALM), 'hop-without-cause');
  session.unanswered(0, podsWith('v1-2'));
  t.equal(session.judge(by('v1-3'), CALM), 'stayed');
});

t.test('a cookie that is lost is another session', async (t) => {
  const session = new Session(undefined);
  t.equal(session.field, '');
  session.cookie = 'roost-soak=abc';
  t.match(session.field, /^Cookie: .*; roost-soak=abc$/);
  session.judge(by('v1-1'), CALM);
  session.forget();
  t.equal(session.field, '');
  t.equal(session.judge(by('v2-1'), CALM), 'first');
});
