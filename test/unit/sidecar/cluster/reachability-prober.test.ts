import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { mock } from 'node:test';
import t, { type Test } from 'tap';
import { ReachabilityProber } from '../../../../sidecar/cluster/reachability-prober.js';
import {
  type EndpointOwner,
  UpstreamEndpoint,
  unwatched,
} from '../../../../sidecar/cluster/upstream-endpoint.js';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import { exclusivePools } from '../../../../sidecar/pool/exclusive-pool.js';
import { probeReachability } from '../../../../sidecar/pool/health-probe.js';

/** The prober's own timers stand still: what is asked is asked because another sidecar has said something. */
mock.timers.enable({ apis: ['setTimeout'] });

async function listening(t: Test): Promise<{ readonly server: Server; connections: number }> {
  const server = createServer((socket) => {
    counted.connections++;
    socket.on('error', () => {}).resume();
  });
  const counted = { server, connections: 0 };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return counted;
}

function endpointAt(port: number, owner: Partial<EndpointOwner> = {}): UpstreamEndpoint {
  const address = `127.0.0.1:${port}`;
  const config = { host: '127.0.0.1', port, address, weight: 1, zone: '', status: 'healthy' } as const;
  const nowMs = () => 0;
  const newPool = exclusivePools({ limits: DEFAULT_LIMITS, nowMs });
  const settings = { newPool, connectFailuresToEject: 3, nowMs };
  return new UpstreamEndpoint(config, 2000, settings, { ...unwatched(), ...owner });
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

t.test('hurry asks an unreachable endpoint at once, and once at a time', async (t) => {
  const counted = await listening(t);
  const prober = new ReachabilityProber(probeReachability);
  t.teardown(() => prober.close());
  await new Promise<void>((resolve) => {
    const endpoint = endpointAt(portOf(counted.server), { onReached: () => resolve() });
    prober.hurry(endpoint);
    endpoint.isUnreachable = true;
    prober.watch(endpoint);
    prober.hurry(endpoint);
    prober.hurry(endpoint);
  });
  await new Promise(setImmediate);
  t.equal(counted.connections, 1);
});

t.test('ask tells whether an endpoint takes connections, whatever is held of it', async (t) => {
  const { server } = await listening(t);
  const prober = new ReachabilityProber(probeReachability);
  const port = portOf(server);
  const ask = () => new Promise((resolve) => prober.ask(endpointAt(port), false, resolve));
  t.equal(await ask(), true);
  server.close();
  await once(server, 'close');
  t.equal(await ask(), false);
});
