import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type PortReservation, ReservedPort } from '../../../../examples/shop/ports.js';
import { Processes } from '../../../../examples/shop/processes.js';
import { Shop } from '../../../../examples/shop/shop.js';

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

/** One pod is enough: its sidecar's inbound port is the first that is taken, its app's the second. */
const names = [{ service: 'payments', version: 'v1', replica: 1 }] as const;

t.test('starts anew, on other ports, where somebody else has taken one in the meantime', async (t) => {
  const processes = startProcesses(t);
  // The app's port in the first attempt, the sidecar's in the second.
  const shop = await Shop.start(processes, { names, takePort: withThief(t, (i) => i === 1 || i === 2) });
  const response = await fetch(`http://${shop.pod('payments-v1-1').inbound}/`);
  t.strictSame(await response.json(), {
    served: [{ service: 'payments', version: 'v1', pod: 'payments-v1-1' }],
  });
  const outcome = await Promise.race([processes.crashed, sleep(100, 'nothing crashed')]);
  t.equal(outcome, 'nothing crashed', 'what was given up is no crash');
});

t.test('gives up after three attempts, and says what was wrong', async (t) => {
  const starting = Shop.start(startProcesses(t), { names, takePort: withThief(t, (i) => i % 2 === 0) });
  await t.rejects(starting, {
    name: 'DemoError',
    message: /^payments-v1-1 sidecar did not start: .* in use/,
  });
});

t.test('tells when a process ends that nobody has ended, and which', async (t) => {
  const processes = startProcesses(t);
  const shop = await Shop.start(processes, { names });
  const pod = shop.pod('payments-v1-1');
  await pod.kill();
  await pod.startApp();
  process.kill(pod.pids.app, 'SIGKILL');
  await t.rejects(processes.crashed, { name: 'DemoError', message: /^payments-v1-1 app ended by itself/ });
});
