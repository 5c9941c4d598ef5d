import t from 'tap';
import { SharedTraces, sharedTraceMemory } from '../../../../sidecar/session/shared-traces.js';
import type { TraceEntry } from '../../../../sidecar/session/trace-store.js';
import { contend } from '../../../support/threads/contend.js';

const THREADS = 4;
const CALLER = '10.0.0.9';
const idOf = (n: number) => n.toString(16).padStart(32, '0');
const entry = (lane: string, user = ''): TraceEntry => ({
  lane,
  keys: [
    ...(user === '' ? [] : [{ kind: 'header', name: 'x-user-id', values: [user] } as const]),
    { kind: 'cookie', name: 'sid', values: ['a=b; "ü\u{1f600}'] },
  ],
});

t.test('every thread finds what any has remembered, at once and whole', async (t) => {
  const results = await contend(t, 'traces', THREADS, { memory: sharedTraceMemory(), turns: 40_000 });
  t.strictSame(results, Array(THREADS).fill({ missing: 0, wrong: 0 }));
});

t.test('gives back what it was given, for a minute', async (t) => {
  const memory = sharedTraceMemory();
  const [one, other] = [new SharedTraces(memory), new SharedTraces(memory)];
  t.ok(other.isEmpty);
  one.set(idOf(1), entry('canary', 'ann'), 1000, CALLER);
  t.notOk(other.isEmpty);
  t.strictSame(other.get(idOf(1), 60_999), entry('canary', 'ann'));
  t.equal(other.get(idOf(1), 61_000), undefined);
  t.equal(other.get(idOf(2), 1000), undefined);
  other.set(idOf(1), entry('blue', 'bob'), 2000, CALLER);
  t.strictSame(one.get(idOf(1), 2000), entry('blue', 'bob'), 'the newest counts');
});

t.test('is bounded: the oldest give way, and what is found is never another trace’s', async (t) => {
  const traces = new SharedTraces(sharedTraceMemory());
  const size = 500;
  const count = 60_000;
  for (let n = 0; n < count; n++) traces.set(idOf(n), entry(String(n).padEnd(size, '.')), 0, CALLER);
  const found = Array.from({ length: count }, (_, n) => traces.get(idOf(n), 0)?.lane);
  const wrong = found.filter((lane, n) => lane !== undefined && lane !== String(n).padEnd(size, '.'));
  t.strictSame(wrong, []);
  const kept = found.filter(Boolean).length;
  t.ok(kept * (size + 100) <= 9_000_000, `${kept} kept`);
  t.ok(found.slice(-7000).every(Boolean), 'the last seven thousand are there');
  t.ok(
    found.slice(0, 20_000).every((lane) => lane === undefined),
    'the first are gone',
  );
});

t.test(
  'ten thousand traces that bring a key and a lane are remembered, whatever their ids look like',
  async (t) => {
    const scrambled = (n: number) =>
      (BigInt(n) * 0x9e3779b97f4a7c15n).toString(16).padStart(32, '0').slice(-32);
    for (const id of [idOf, (n: number) => idOf(n).split('').reverse().join(''), scrambled]) {
      const traces = new SharedTraces(sharedTraceMemory());
      for (let n = 0; n < 10_000; n++) traces.set(id(n), entry('canary', `user-${n}`), 0, CALLER);
      let kept = 0;
      for (let n = 0; n < 10_000; n++) if (traces.get(id(n), 0)?.keys[0]?.values[0] === `user-${n}`) kept++;
      t.ok(kept >= 9_900, `${kept} of 10,000`);
    }
  },
);

t.test('a record that no ring could hold is not remembered, and harms none', async (t) => {
  const traces = new SharedTraces(sharedTraceMemory());
  traces.set(idOf(1), entry('canary'), 0, CALLER);
  traces.set(idOf(2), entry('x'.repeat(600_000)), 0, CALLER);
  t.equal(traces.get(idOf(2), 0), undefined);
  t.strictSame(traces.get(idOf(1), 0), entry('canary'));
});

t.test(
  'a caller that sends traces without end displaces those of a quarter of the callers at most',
  async (t) => {
    const traces = new SharedTraces(sharedTraceMemory());
    const callers = Array.from({ length: 64 }, (_, n) => `10.0.1.${n}`);
    callers.forEach((caller, n) => {
      traces.set(idOf(n), entry('canary', caller), 0, caller);
    });
    for (let n = 100; n < 20_000; n++) traces.set(idOf(n), entry('x'.repeat(500)), 0, CALLER);
    const left = callers.filter((_, n) => traces.get(idOf(n), 0) !== undefined).length;
    // 48 are expected; fewer than 28 one time in ten million.
    t.ok(left >= 28, `${left} of 64`);
  },
);
