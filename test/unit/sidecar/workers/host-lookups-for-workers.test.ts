import t, { type Test } from 'tap';
import { OnDemand, type OnDemandLimits } from '../../../../sidecar/discovery/on-demand.js';
import { HostLookup } from '../../../../sidecar/outbound/host-lookup.js';
import { HostLookupsForWorkers } from '../../../../sidecar/workers/host-lookups-for-workers.js';
import type { FromWorker } from '../../../../sidecar/workers/messages.js';
import { WorkerHostLookup } from '../../../../sidecar/workers/worker-host-lookup.js';

/** A worker's calls, and the main thread that asks for hosts; what they tell each other arrives in the next turn. */
function world(t: Test, limits: Partial<OnDemandLimits> = {}) {
  const table = new Set<string>();
  const state = { connected: true };
  const subscribed: string[] = [];
  const onDemand = new OnDemand({
    limits: { waitMs: 60_000, idleMs: 60_000, maxNames: 10, ...limits },
    change: ({ added }) => subscribed.push(...added),
    lastUsedMs: () => 0,
    connected: () => state.connected,
    nowMs: () => 0,
  });
  const main = new HostLookupsForWorkers(onDemand, (authority) => table.has(authority));
  t.teardown(() => main.close());
  const tell = (message: FromWorker) => {
    if (message.kind === 'host')
      main.ask(String(message.id), message.authority, (verdict) =>
        setImmediate(() => asked.onAnswer(message.id, verdict)),
      );
    else if (message.kind === 'host-given-up') main.end(String(message.id));
  };
  const asked = new WorkerHostLookup(60_000, tell);
  /** A call as the forwarder makes it. @returns what it comes to, once it has */
  const call = (host: string): { readonly outcome: () => string; readonly lookup: HostLookup } => {
    const lookup = new HostLookup(asked);
    let outcome = 'waits';
    const begin = () => {
      if (table.has(host)) {
        outcome = 'found';
        return;
      }
      const step = lookup.step(host, begin);
      if (step === undefined) outcome = 'nobody’s';
      else if ('reply' in step) outcome = step.reply.code;
    };
    begin();
    return { outcome: () => outcome, lookup };
  };
  return { table, state, subscribed, onDemand, call };
}

const turn = () => new Promise(setImmediate);
/** Whatever is on its way arrives. */
const settle = async () => {
  for (let i = 0; i < 5; i++) await turn();
};

t.test('a worker’s call waits until the table has its host', async (t) => {
  const { table, subscribed, onDemand, call } = world(t);
  const calls = [call('cart'), call('cart')];
  t.strictSame(subscribed, ['cart'], 'asked for once');
  t.equal(onDemand.waitingCount, 2);
  onDemand.onListener('cart', true);
  t.strictSame(
    calls.map(({ outcome }) => outcome()),
    ['waits', 'waits'],
    'its routes are on their way',
  );
  table.add('cart');
  onDemand.onTable((host) => table.has(host));
  await settle();
  t.strictSame(
    calls.map(({ outcome }) => outcome()),
    ['found', 'found'],
  );
  t.equal(onDemand.waitingCount, 0);
});

t.test(
  'what the control plane does not know, the worker is told at once, the first time and later',
  async (t) => {
    const { onDemand, call } = world(t);
    const first = call('nobody');
    onDemand.onListener('nobody', false);
    await settle();
    t.equal(first.outcome(), 'nobody’s');
    const second = call('nobody');
    await settle();
    t.equal(second.outcome(), 'nobody’s');
  },
);

t.test('what could be no service is not asked about', async (t) => {
  const { subscribed, call } = world(t);
  t.equal(call('192.0.2.1:80').outcome(), 'nobody’s');
  t.strictSame(subscribed, []);
});

t.test(
  'time is kept by the main thread: without an answer, nobody’s, or unanswered without a control plane',
  async (t) => {
    for (const [connected, expected] of [
      [true, 'nobody’s'],
      [false, 'not-ready'],
    ] as const) {
      const { state, call } = world(t, { waitMs: 5 });
      state.connected = connected;
      const { outcome } = call('slow');
      while (outcome() === 'waits') await turn();
      t.equal(outcome(), expected);
    }
  },
);

t.test('too many hosts: refused, as without workers', async (t) => {
  const { onDemand, call } = world(t, { maxNames: 1 });
  const first = call('one');
  onDemand.onListener('one', true);
  t.equal(first.outcome(), 'waits');
  const second = call('two');
  await settle();
  t.equal(second.outcome(), 'overloaded');
});

t.test('a call that ends leaves nothing waiting', async (t) => {
  const { onDemand, call } = world(t);
  const { lookup, outcome } = call('cart');
  lookup.end();
  t.equal(onDemand.waitingCount, 0);
  onDemand.onListener('cart', false);
  await settle();
  t.equal(outcome(), 'waits', 'nobody is resumed any more');
});
