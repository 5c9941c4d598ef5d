import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { ReservedPort } from '../../examples/shop/ports.js';
import type { ReleaseLoad, StatusResponse } from '../../src/api/config-service.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { Backend, echo, type Handler, startReleases, versionsOf } from '../support/backend.js';
import { type Call, caller, inParallel } from '../support/calls.js';
import { clusterStatus } from '../support/cluster-status.js';
import { toAddress } from '../support/mesh.js';
import { eventually, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout, labelled, user } from '../support/shop.js';

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
  // A session is counted once, through however many sidecars it calls.
  await eventually('all requests are reported, and all pins', async () => {
    status = await readStatus();
    const sum = (of: (load: ReleaseLoad) => number) => status.load.reduce((all, load) => all + of(load), 0);
    return sum(({ requests }) => requests) === 2 * SESSIONS && sum(({ pins }) => pins) === SESSIONS;
  });
  t.match(loadOf(status, 'v1'), { service: 'shop/checkout', requests: 2 * v1, pins: v1, inFlight: 0 });
  t.match(loadOf(status, 'v2'), { service: 'shop/checkout', requests: 2 * v2, pins: v2, inFlight: 0 });

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
    t.match(
      shown,
      /^SERVICE +RELEASE +SPLIT +ENDPOINTS +REQUESTS\/S +SUCCESS +MEAN LATENCY +IN FLIGHT +SESSIONS +FAILOVERS$/m,
    );
    t.match(
      shown,
      new RegExp(`^checkout\\.shop +v1 +50 % +2/2 +[\\d.]+ +100.00 % +[\\d.]+ ms +\\d+ +${v1} +0$`, 'm'),
    );
    t.match(shown, /^SESSIONS are those that sidecars keep; a session with a cookie of Roost is /m);
    await eventually('and over with it', async () => {
      const { load } = await readStatus();
      return load.every(({ requestsPerSecond }) => requestsPerSecond === 0);
    });
  });

  await t.test('a plan counts the sessions that it would move', async (t) => {
    const evict = await run('plan', 'split', 'checkout.shop', 'v1=1');
    t.match(evict.stdout, `of ${SESSIONS} sessions pinned in sidecars now, ${v2} would move`);
    const drain = await run('plan', 'split', 'checkout.shop', 'v1=1', 'v2=0', '-o', 'json');
    t.match(JSON.parse(drain.stdout).routes, [{ livePins: SESSIONS, movedPins: 0 }]);
  });

  await t.test('sessions outlive a sidecar that goes: the others share them', async (t) => {
    t.equal(await sidecars[1]?.process.kill('SIGKILL'), null);
    await eventually('it is gone', async () => {
      status = await readStatus();
      return status.clients.length === 1;
    });
    t.same([loadOf(status, 'v1').pins, loadOf(status, 'v2').pins], [v1, v2]);
    t.equal(loadOf(status, 'v2').requests >= 2 * v2, true, 'what it has done stays counted');
  });
});

t.test(
  'a canary at which nobody listens is seen: status, metric, /clusters and one line of log',
  async (t) => {
    const [backends, dead] = await Promise.all([startReleases(t, { v1: 1 }), ReservedPort.take()]);
    await dead.release();
    const { grpc } = await startControlPlane(t, ['--load-report-interval', '200ms']);
    const at = ['--control-plane', grpc];
    const sidecar = await startSidecar(t, ['--service', 'frontend.shop', ...at]);
    const versions = [...versionsOf(backends), { name: 'v3', endpoints: [{ address: dead.address }] }];
    const document = checkout({ split: { v1: 1 }, routes: [labelled('v3')], spec: { versions } });
    await roost(['apply', '-f', '-', ...at], { input: stringify(document) });
    const call = caller(t, sidecar.outbound);
    for (let i = 0; i < 20; i++)
      t.equal((await call('checkout', { headers: { 'x-region': 'us-east' } })).status, 200);
    const status = async () =>
      JSON.parse((await roost(['status', '-o', 'json', ...at])).stdout) as StatusResponse;
    await eventually('the control plane knows', async () => loadOf(await status(), 'v3')?.failovers === 20);
    t.match(loadOf(await status(), 'v3'), { endpoints: 1, usableEndpoints: 0, splitTotal: 0 });
    t.match(loadOf(await status(), 'v1'), { endpoints: 1, usableEndpoints: 1, splitWeight: 1, failovers: 0 });
    const shown = (await roost(['status', ...at])).stdout;
    t.match(shown, /^checkout\.shop +v3 +- +0\/1 .* 20$/m);
    t.match(
      shown,
      /^releases without a usable endpoint:\n {2}checkout\.shop v3: none of 1 endpoint is usable; other releases took 20 requests of it so far$/m,
    );
    const metrics = await (await fetch(`http://${sidecar.admin}/metrics`)).text();
    t.match(metrics, /^roost_failovers_total\{service="checkout\.shop",release="v3",to="v1"\} 20$/m);
    const { endpoints } = await clusterStatus(sidecar.admin, 'shop/checkout/v3');
    t.match(endpoints, [{ healthy: false, status: 'unreachable', announced: 'healthy' }]);
    const begins = 'a release has no usable endpoint: another release takes its requests';
    t.match(await sidecar.process.logged(begins), { upstream: 'checkout.shop', release: 'v3', to: 'v1' });
    t.equal(sidecar.process.log.filter(({ msg }) => msg === begins).length, 1);

    await Backend.start(t, 'v3-1', echo, Number(dead.address.split(':')[1]));
    t.match(
      await sidecar.process.logged('a release has a usable endpoint again, and takes its requests itself'),
      { upstream: 'checkout.shop', release: 'v3', failovers: 20 },
    );
    t.match(await call('checkout', { headers: { 'x-region': 'us-east' } }), { backend: 'v3-1' });
  },
);
