import t from 'tap';
import type { UpstreamSettings } from '../../../../sidecar/cluster/upstream-endpoint.js';
import { AppEndpoints } from '../../../../sidecar/inbound/app-endpoints.js';
import { OwnPorts } from '../../../../sidecar/outbound/own-ports.js';

function appEndpoints(ownPorts = new OwnPorts()): AppEndpoints {
  const pool = { closeIdle() {}, retire() {}, idleCount: 0 };
  const settings = {
    newPool: () => pool,
    nowMs: () => 0,
    connectFailuresToEject: 3,
  } as unknown as UpstreamSettings;
  return new AppEndpoints({ host: '127.0.0.1', port: 8080 }, settings, ownPorts);
}

function endpointAt(apps: AppEndpoints, host: string, port: number) {
  const endpoint = apps.at({ host, port });
  if ('code' in endpoint) throw new Error(endpoint.code);
  return endpoint;
}

t.test('a connection that was not redirected goes to the app that the sidecar was told', async (t) => {
  const apps = appEndpoints();
  t.equal(apps.at(undefined), apps.told);
  t.equal(apps.told.address, '127.0.0.1:8080');
});

t.test('a redirected one goes to the port that was dialled: on that address, then on loopback', async (t) => {
  const apps = appEndpoints();
  const candidates = (host: string) => {
    let found: unknown;
    endpointAt(apps, host, 9000).lookup?.('app', { all: true }, (_, addresses) => {
      found = (addresses as { address: string }[]).map(({ address }) => address);
    });
    return found;
  };
  t.same(candidates('10.0.0.5'), ['10.0.0.5', '127.0.0.1', '::1']);
  t.same(candidates('fd00::5'), ['fd00::5', '::1', '127.0.0.1']);
  t.equal(endpointAt(apps, '10.0.0.5', 9000).address, '10.0.0.5:9000');
});

t.test("the sidecar's own ports are not the app's, but for metrics", async (t) => {
  const ports = new OwnPorts();
  ports.note('admin', '127.0.0.1:15000');
  ports.note('outbound', '127.0.0.1:15001');
  ports.note('metrics', '0.0.0.0:15020');
  const apps = appEndpoints(ports);
  for (const port of [15000, 15001])
    t.match(apps.at({ host: '10.0.0.5', port }), { code: 'forbidden-destination' }, `${port}`);
  t.equal(endpointAt(apps, '10.0.0.5', 15020).port, 15020);
});

t.test('no more than 256 addresses are kept, and the one used longest ago gives way', async (t) => {
  const apps = appEndpoints();
  const first = endpointAt(apps, '10.0.0.5', 1);
  for (let port = 2; port <= 256; port++) endpointAt(apps, '10.0.0.5', port);
  t.equal(endpointAt(apps, '10.0.0.5', 1), first, 'kept');
  const second = endpointAt(apps, '10.0.0.5', 2);
  for (let port = 300; port < 555; port++) endpointAt(apps, '10.0.0.5', port);
  t.ok(first.isRetired);
  t.not(endpointAt(apps, '10.0.0.5', 1), first);
  t.equal(second.port, 2);
});
