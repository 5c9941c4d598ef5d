import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { RoostProcess } from '../support/processes.js';

async function takenPort(t: Test): Promise<string> {
  const taker = createServer();
  await once(taker.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => taker.close());
  return `127.0.0.1:${(taker.address() as AddressInfo).port}`;
}

const FREE = '127.0.0.1:0';

for (const flag of ['outbound', 'inbound', 'admin', 'metrics']) {
  t.test(
    `a sidecar whose --${flag} port is taken says so and ends, instead of staying half started`,
    async (t) => {
      const address = await takenPort(t);
      const ports = { outbound: FREE, inbound: FREE, admin: FREE, [flag]: address };
      const flags = Object.entries(ports).flatMap(([name, value]) => [`--${name}`, value]);
      const started = RoostProcess.start(t, ['sidecar', '--service', 'checkout.shop', ...flags]);
      t.equal(await started.exited, 1);
      t.match(started.stderr, `(--${flag}) on ${address}: the port is in use by another process\n`);
    },
  );
}
