import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import type { ReleaseLoad, StatusResponse } from '../../src/api/config-service.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { echo, type Handler, startReleases, versionsOf } from '../support/backend.js';
import { type Call, caller, inParallel } from '../support/calls.js';
import { toAddress } from '../support/mesh.js';
import { eventually, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout, user } from '../support/shop.js';

const SESSIONS = 60;
const PERSISTENT = { version: 'persistent', endpoint: 'persistent' };

/** v2 fails every request; everything else is echoed. */
const v2Fails: Handler = (request, response, backend) => {
  if (backend.name.startsWith('v2')) response.writeHead(500).end('no');
  else echo(request, response, backend);
};

async function startWorld(t: Test) {
  const backends = await startReleases(t, { v1: 2, v2: 1 }, v2Fails);
  const controlPlane = await startControlPlane(t, ['--load-report-interval', '200ms']);
  const at = ['--control-plane', controlPlane.grpc];
  const sidecars = await Promise.all(
    ['a', 'b'].map((name) => startSidecar(t, ['--service', `${name}.shop`, ...at])),
  );
  const client = new ControlPlaneClient(toAddress(controlPlane.grpc));
  t.teardown(() => client.close());
  const versions = versionsOf(backends);
  const document = checkout({ split: { v1: 50, v2: 50 }, affinity: PERSISTENT, spec: { versions } });
  await roost(['apply', '-f', '-', ...at], { input: stringify(document) });
  const run = (...args: string[]) => roost([...args, ...at]);
  return { sidecars, run, status: () => client.call<StatusResponse>('Status', {}) };
}

/** Each of the sessions calls once. @returns how many were answered by v1 */
async function callAll(call: Call): Promise<number> {
  const sessions = Array.from({ length: SESSIONS }, (_, i) => i);
  const answers = await inParallel(sessions, 8, (i) =>
    call('checkout', { headers: Object.fromEntries(user(i)) }),
  );
  return answers.filter(({ status }) => status === 200).length;
}

const loadOf = (status: StatusResponse, release: string) =>
  status.load.find((load) => load.release === release) as ReleaseLoad;

t.test('what sidecars count arrives: requests, failures, sessions, by release', async (t) => {
  const { sidecars, run, status: readStatus } = await startWorld(t);
  const calls = sidecars.map(({ outbound }) => caller(t, outbound));
  const onV1 = await Promise.all(calls.map(callAll));
  t.equal(onV1[0], onV1[1], 'the same sessions through either sidecar');
  const [v1, v2] = [onV1[0] as number, SESSIONS - (onV1[0] as number)];
  let status = await readStatus();
  // A report may fall between a request's end and its pin; the next one has both.
  await eventually('all requests are reported, and all pins', async () => {
    status = await readStatus();
    const sum = (of: (load: ReleaseLoad) => number) => status.load.reduce((all, load) => all + of(load), 0);
    return sum(({ requests }) => requests) === 2 * SESSIONS && sum(({ pins }) => pins) === 2 * SESSIONS;
  });
  t.match(loadOf(status, 'v1'), { service: 'shop/checkout', requests: 2 * v1, pins: 2 * v1, inFlight: 0 });
  t.match(loadOf(status, 'v2'), { service: 'shop/checkout', requests: 2 * v2, pins: 2 * v2, inFlight: 0 });

  await t.test('rates are of the moment', async (t) => {
    let calling = true;
    const load = (async () => {
      while (calling) await callAll(calls[0] as Call);
    })();
    await eventually('both releases have a rate', async () => {
      status = await readStatus();
      return status.load.length === 2 && status.load.every(({ requestsPerSecond }) => requestsPerSecond > 0);
    });
    const shown = (await run('status')).stdout;
    calling = false;
    await load;
    t.equal(loadOf(status, 'v1').successRate, 1);
    t.equal(loadOf(status, 'v2').successRate, 0);
    t.ok(loadOf(status, 'v1').latencyMs > 0);
    t.match(shown, /^SERVICE +RELEASE +REQUESTS\/S +SUCCESS +LATENCY +IN FLIGHT +SESSIONS$/m);
    t.match(shown, new RegExp(`^shop/checkout +v1 +[\\d.]+ +100.00 % +[\\d.]+ ms +\\d+ +${2 * v1}$`, 'm'));
    await eventually('and over with it', async () => {
      const { load } = await readStatus();
      return load.every(({ requestsPerSecond }) => requestsPerSecond === 0);
    });
  });

  await t.test('a plan counts the sessions that it would move', async (t) => {
    const evict = await run('plan', 'split', 'checkout.shop', 'v1=1');
    t.match(evict.stdout, `of ${2 * SESSIONS} sessions pinned in sidecars now, ${2 * v2} would move`);
    const drain = await run('plan', 'split', 'checkout.shop', 'v1=1', 'v2=0', '-o', 'json');
    t.match(JSON.parse(drain.stdout).routes, [{ livePins: 2 * SESSIONS, movedPins: 0 }]);
  });

  await t.test("a sidecar's sessions leave with it", async (t) => {
    t.equal(await sidecars[1]?.process.kill('SIGKILL'), null);
    await eventually('only those of the other are left', async () => {
      status = await readStatus();
      return loadOf(status, 'v1').pins === v1 && loadOf(status, 'v2').pins === v2;
    });
    t.equal(loadOf(status, 'v2').requests >= 2 * v2, true, 'what it has done stays counted');
  });
});
