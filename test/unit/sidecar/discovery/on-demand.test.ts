import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { OnDemand, type OnDemandLimits } from '../../../../sidecar/discovery/on-demand.js';
import type { NameChanges } from '../../../../src/xds/referenced-names.js';

/** Names that are asked for, on a clock of the test's. */
function start(limits: Partial<OnDemandLimits> = {}) {
  const world = {
    nowMs: 1000,
    connected: true,
    used: new Map<string, number>(),
    asked: new Set<string>(),
    changes: [] as NameChanges[],
  };
  const onDemand = new OnDemand({
    limits: { waitMs: 3000, idleMs: 600_000, maxNames: 100, ...limits },
    change: (changes) => {
      world.changes.push(changes);
      for (const name of changes.dropped) world.asked.delete(name);
      for (const name of changes.added) world.asked.add(name);
    },
    lastUsedMs: (name) => world.used.get(name) ?? 0,
    connected: () => world.connected,
    nowMs: () => world.nowMs,
  });
  const resumed: string[] = [];
  const call = (host: string) => onDemand.lookUp(host, () => resumed.push(host));
  const pass = (ms: number) => {
    world.nowMs += ms;
    onDemand.tick(world.nowMs);
  };
  return { onDemand, world, resumed, call, pass };
}

t.test('the first call to a host asks for it and waits; those after it wait, too', async (t) => {
  const { onDemand, world, call, resumed } = start();
  t.match(call('cart.shop:8080'), { kind: 'wait', waitMs: 3000 });
  t.match(call('cart.shop:8080'), { kind: 'wait' });
  t.same([...world.asked], ['cart.shop:8080']);
  t.equal(onDemand.waitingCount, 2);
  onDemand.onListener('cart.shop:8080', true);
  await setImmediate();
  t.same(resumed, [], 'its routes have to be in force');
  onDemand.onTable((host) => host === 'cart.shop:8080');
  t.same(resumed, [], 'nobody goes on while something is being taken in');
  await setImmediate();
  t.same(resumed, ['cart.shop:8080', 'cart.shop:8080']);
  t.equal(onDemand.waitingCount, 0);
  t.same(onDemand.counts, { asked: 0, there: 1, absent: 0 });
});

t.test('a host with the default port is asked for without it', async (t) => {
  const { onDemand, world, call } = start();
  t.match(call('cart.shop:80'), { kind: 'wait' });
  t.same([...world.asked], ['cart.shop']);
  t.same(onDemand.waitedInVain('cart.shop:80'), { kind: 'unknown' });
});

t.test('a host that does not exist is known at once not to, and its coming is not missed', async (t) => {
  const { onDemand, world, call, resumed } = start();
  call('nosuch');
  onDemand.onListener('nosuch', false);
  await setImmediate();
  t.same(resumed, ['nosuch']);
  t.same(onDemand.waitedInVain('nosuch'), { kind: 'unknown' });
  t.same(call('nosuch'), { kind: 'unknown' }, 'without asking again');
  t.equal(world.changes.length, 1);
  t.same([...world.asked], ['nosuch'], 'still subscribed to');
  onDemand.onListener('nosuch', true);
  t.match(call('nosuch'), { kind: 'wait' }, 'its routes are on their way');
});

t.test('a call waits no longer than it may, and after it nobody waits for that host', async (t) => {
  const { onDemand, world, call } = start();
  const waiting = call('silent');
  if (waiting.kind === 'wait') waiting.cancel();
  t.same(onDemand.waitedInVain('silent'), { kind: 'unknown' });
  t.same(call('silent'), { kind: 'unknown' });
  world.connected = false;
  t.same(call('silent'), { kind: 'unanswered' }, 'without a control plane nobody can say');
  onDemand.onListener('silent', false);
  t.same(call('silent'), { kind: 'unknown' }, 'unless it has said so before');
});

t.test('a wait that is cancelled is not resumed, and counts no more', async (t) => {
  const { onDemand, call, resumed } = start();
  const waiting = call('cart.shop');
  onDemand.onListener('cart.shop', false);
  if (waiting.kind === 'wait') waiting.cancel();
  await setImmediate();
  t.same(resumed, []);
  t.equal(onDemand.waitingCount, 0);
});

t.test('what can be no service is not asked for', async (t) => {
  const { world, call } = start();
  const made = [
    '',
    '10.0.0.1',
    '10.0.0.1:80',
    '[::1]:80',
    'a_b',
    'a..b',
    '-a',
    `${'x'.repeat(64)}.test`,
    '*',
  ];
  for (const host of [...made, `${'x.'.repeat(200)}x`, 'a b', 'a:80:80', '\u00e4.test', 'x'.repeat(60_000)])
    t.same(call(host), { kind: 'unknown' }, host.slice(0, 70));
  t.equal(world.asked.size, 0);
});

t.test('what nobody calls any more is given up; what is in use is not', async (t) => {
  const { onDemand, world, call, pass } = start();
  for (const host of ['busy', 'idle', 'nosuch', 'waiting']) call(host);
  onDemand.onListener('busy', true);
  onDemand.onListener('idle', true);
  onDemand.onListener('nosuch', false);
  onDemand.onTable(() => true);
  await setImmediate();
  const waiting = call('waiting');
  pass(59_000);
  t.equal(world.asked.size, 4);
  pass(1000);
  t.same([...world.asked], ['busy', 'idle', 'waiting'], 'what does not exist is kept for a minute');
  if (waiting.kind === 'wait') waiting.cancel();
  pass(60_000);
  t.same([...world.asked], ['busy', 'idle'], 'and so is what nobody has said anything of');
  world.used.set('busy', world.nowMs);
  pass(480_000);
  t.same([...world.asked], ['busy']);
  pass(600_000);
  t.equal(world.asked.size, 0);
  t.match(call('busy'), { kind: 'wait' }, 'and asked for again when it is called again');
});

t.test('the table of hosts is bounded: unknown ones give way, known ones do not', async (t) => {
  const { onDemand, world, call, pass } = start({ maxNames: 3 });
  for (const host of ['a', 'b', 'c']) call(host);
  t.match(call('d'), { kind: 'refused', why: /3 hosts are in use on demand/ }, 'calls wait for all of them');
  for (const host of ['b', 'c']) onDemand.onListener(host, false);
  onDemand.onListener('a', true);
  onDemand.onTable((host) => host === 'a');
  await setImmediate();
  call('b');
  t.match(call('d'), { kind: 'wait' });
  t.same(world.changes.at(-1), { added: ['d'], dropped: ['c'] }, 'the one that was called longest ago');
  t.same([...world.asked], ['a', 'b', 'd']);
  onDemand.onListener('b', true);
  onDemand.onListener('d', true);
  t.match(call('e'), { kind: 'refused' });
  t.equal(onDemand.refused, 2);
  pass(600_000);
  onDemand.onTable(() => true);
  await setImmediate();
  pass(1000);
  t.match(call('e'), { kind: 'wait' });
});

t.test('whoever makes up hosts does not flood the control plane', async (t) => {
  const { onDemand, world, call, pass } = start({ maxNames: 1000 });
  const burst = Array.from({ length: 500 }, (_, i) => call(`made-up-${i}`));
  t.equal(burst.filter(({ kind }) => kind === 'wait').length, 100);
  t.match(burst[100], { kind: 'refused', why: /more than 20 new hosts a second/ });
  t.equal(world.changes.length, 100);
  pass(1000);
  for (let i = 0; i < 500; i++) call(`more-${i}`);
  t.equal(world.changes.length, 120);
  t.equal(onDemand.asked, 120);
  t.match(call('made-up-0'), { kind: 'wait' }, 'those that are known cost nothing');
});

t.test('so many calls wait, and no more', async (t) => {
  const { onDemand, call } = start();
  const calls = Array.from({ length: 1000 }, () => call('cart.shop'));
  t.ok(calls.every(({ kind }) => kind === 'wait'));
  t.match(call('cart.shop'), { kind: 'refused', why: /1000 calls wait/ });
  const [first] = calls;
  if (first?.kind === 'wait') first.cancel();
  t.match(call('cart.shop'), { kind: 'wait' });
  t.equal(onDemand.waitingCount, 1000);
});

t.test('names of an earlier life are asked for again, as many as there is room for', async (t) => {
  const { onDemand, world, call } = start({ maxNames: 2 });
  t.same(onDemand.adopt(['a', 'b', 'c']), ['a', 'b']);
  t.same([...world.asked], ['a', 'b']);
  t.match(call('a'), { kind: 'wait' });
});
