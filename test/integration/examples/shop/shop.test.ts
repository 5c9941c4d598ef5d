import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type PortReservation, ReservedPort } from '../../../../examples/shop/ports.js';
import { DemoError, Processes } from '../../../../examples/shop/processes.js';
import { Shop } from '../../../../examples/shop/shop.js';
import { Customers } from '../../../../examples/shop/traffic.js';

function startProcesses(t: Test): Processes {
  const processes = new Processes(t.testdir());
  t.teardown(() => processes.stop());
  return processes;
}

/** Reserves ports; each of these is taken by somebody else as soon as it is released. Counted from 0. */
function withThief(t: Test, isStolen: (index: number) => boolean): () => Promise<PortReservation> {
  let taken = 0;
  return async () => {
    const reserved = await ReservedPort.take();
    if (!isStolen(taken++)) return reserved;
    const { port, address } = reserved;
    const release = async () => {
      await reserved.release();
      const thief = createServer().listen(port, '127.0.0.1');
      t.teardown(() => thief.close());
    };
    return { port, address, release };
  };
}

t.test('starts anew, on other ports, where somebody else has taken one in the meantime', async (t) => {
  const processes = startProcesses(t);
  // An app's port in the first attempt, a sidecar's in the second: two for each of six pods.
  const shop = await Shop.start(
    processes,
    () => {},
    withThief(t, (index) => index === 3 || index === 12),
  );
  const customers = new Customers(shop.entrance);
  t.teardown(() => customers.close());
  const round = await customers.visit(['alice']);
  t.strictSame(round.failures, []);
  t.match(round.sample, /^frontend-v1-1 → checkout-v1-\d → payments-v1-1$/);
  const outcome = await Promise.race([processes.crashed, sleep(100, 'nothing crashed')]);
  t.equal(outcome, 'nothing crashed');
});

t.test('gives up after three attempts, and says what was wrong', async (t) => {
  const starting = Shop.start(
    startProcesses(t),
    () => {},
    withThief(t, (index) => index % 12 === 0),
  );
  await t.rejects(starting, {
    name: 'DemoError',
    message: /^frontend-v1-1 sidecar did not start: .* in use/,
  });
});

t.test('tells when a process ends that nobody has ended, and which', async (t) => {
  const processes = startProcesses(t);
  const shop = await Shop.start(processes, () => {});
  await shop.pod('checkout-v1-2').kill();
  process.kill(shop.pod('checkout-v2-1').pids.app, 'SIGKILL');
  await t.rejects(processes.crashed, { name: DemoError.name, message: /^checkout-v2-1 app ended by itself/ });
});
