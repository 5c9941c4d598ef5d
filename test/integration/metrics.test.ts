import t, { type Test } from 'tap';
import { CONTROL_PLANE_METRICS } from '../../control-plane/metric-table.js';
import { SIDECAR_METRICS } from '../../sidecar/admin/metric-table.js';
import type { MetricTable } from '../../src/telemetry/metrics.js';
import { Backend, echo, type Handler, startReleases, versionsOf } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { type Family, scrape, sumOf } from '../support/exposition.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout, meshService, podsOf } from '../support/shop.js';

/** What a process shows is what its table says, no more and no less: names, types, labels. */
function assertEqualsTable(t: Test, families: ReadonlyMap<string, Family>, table: MetricTable): void {
  t.strictSame([...families.keys()].sort(), Object.keys(table).sort());
  for (const [name, { type, samples }] of families) {
    const description = table[name] as MetricTable[string];
    t.equal(type, description.type, name);
    for (const { labels } of samples) {
      const own = Object.keys(labels).filter((label) => label !== 'le');
      if (own.join() !== description.labels.join()) t.fail(`${name} has the labels ${own}`);
    }
  }
}

t.test('a sidecar shows the metrics of its table, and counts by route, release and code', async (t) => {
  const releases = await startReleases(t, { v1: 1, v2: 1 }, (request, response, backend) => {
    if (request.url === '/broken') response.writeHead(500).end();
    else if (request.url === '/odd') response.writeHead(599).end();
    else echo(request, response, backend);
  });
  const resource = checkout({ split: { v1: 1 }, spec: { versions: versionsOf(releases) } });
  const mesh = await TestMesh.start(t, [resource]);
  const app = await Backend.start(t, 'app');
  const sidecar = await mesh.sidecar({ app: toAddress(app.address), release: 'f7' });
  const call = caller(t, sidecar.addresses.outbound, 1);
  for (const path of ['/', '/', '/broken', '/odd']) await call('checkout', { path });
  for (const host of ['nosuch', 'evil-1.example', 'evil-2.example']) await call(host);
  await caller(t, sidecar.addresses.inbound, 1)('anything', { path: '/in' });

  const families = await scrape(sidecar.addresses.admin);
  assertEqualsTable(t, families, SIDECAR_METRICS);
  const requests = families.get('roost_requests_total');
  const ofDefault = { direction: 'outbound', service: 'checkout.shop', release: 'v1', route: 'default' };
  t.equal(sumOf(requests, { ...ofDefault, code: '200' }), 2);
  t.equal(sumOf(requests, { ...ofDefault, code: '500' }), 1);
  t.equal(sumOf(requests, { ...ofDefault, code: '5xx' }), 1, 'an unregistered code counts by its class');
  t.equal(sumOf(requests, { direction: 'outbound', service: '', code: '404' }), 3);
  t.equal(sumOf(requests, { direction: 'inbound', service: 'frontend.shop', release: 'f7', code: '200' }), 1);
  t.equal(
    sumOf(families.get('roost_own_answers_total'), { direction: 'outbound', error: 'unknown-host' }),
    3,
  );
  const values = [...families.values()].flatMap(({ samples }) =>
    samples.flatMap(({ labels }) => Object.values(labels)),
  );
  t.notOk(
    values.some((value) => /evil|nosuch|anything/.test(value)),
    'no label has what a client sent',
  );

  const durations = families.get('roost_request_duration_seconds')?.samples ?? [];
  const count = durations.find((s) => s.name.endsWith('_count') && s.labels.service === 'checkout.shop');
  const infinite = durations.find((s) => s.labels.le === '+Inf' && s.labels.service === 'checkout.shop');
  t.equal(count?.value, 4);
  t.equal(infinite?.value, 4);

  const v1 = { cluster: 'shop/checkout/v1', endpoint: releases.get('v1')?.[0]?.address ?? '' };
  t.equal(sumOf(families.get('roost_upstream_requests_total'), v1), 4);
  t.equal(sumOf(families.get('roost_upstream_connects_total'), v1), 1);
  t.equal(sumOf(families.get('roost_upstream_idle_connections'), v1), 1);
  t.equal(sumOf(families.get('roost_upstream_usable'), v1), 1);
  t.equal(sumOf(families.get('roost_configured_endpoints')), 2);
  t.equal(sumOf(families.get('roost_ready')), 1);
  t.ok(sumOf(families.get('roost_configuration_revision')) >= 1);
  t.ok(sumOf(families.get('process_resident_memory_bytes')) > 1e6);
  if (process.platform === 'linux') t.ok(sumOf(families.get('process_open_fds')) > 3);
  t.ok(sumOf(families.get('roost_event_loop_delay_seconds')) > 0);
});

t.test('endpoints that were sent nothing have no series, however many there are', async (t) => {
  const [backend] = (await startReleases(t, { v1: 1 })).get('v1') as [Backend];
  const others = Array.from({ length: 50 }, (_, i) =>
    meshService(`svc-${i}.shop`, { v1: 1 }, { versions: [{ name: 'v1', endpoints: podsOf('v1', 10, i) }] }),
  );
  const called = meshService(
    'called.shop',
    { v1: 1 },
    {
      versions: [{ name: 'v1', endpoints: [{ address: backend.address }] }],
    },
  );
  const mesh = await TestMesh.start(t, [called, ...others]);
  const sidecar = await mesh.sidecar();
  const call = caller(t, sidecar.addresses.outbound);
  await call('called');
  const families = await scrape(sidecar.addresses.admin);
  t.equal(sumOf(families.get('roost_configured_endpoints')), 501);
  t.equal(sumOf(families.get('roost_configured_clusters')), 51);
  for (const [name, { samples }] of families) {
    if (samples[0]?.labels.cluster === undefined) continue;
    t.ok(
      samples.every(({ labels }) => labels.cluster === 'shop/called/v1'),
      name,
    );
  }
});

t.test('attempts beyond the first, connections that failed and endpoints lost are counted', async (t) => {
  const releases = await startReleases(t, { v1: 2 });
  const resource = checkout({ split: { v1: 1 }, spec: { versions: versionsOf(releases) } });
  const mesh = await TestMesh.start(t, [resource]);
  const sidecar = await mesh.sidecar();
  const call = caller(t, sidecar.addresses.outbound);
  const [gone] = releases.get('v1') as [Backend];
  await call('checkout');
  await gone.stop();
  const failures = async () =>
    sumOf((await scrape(sidecar.addresses.admin)).get('roost_upstream_connect_failures_total'), {
      endpoint: gone.address,
    });
  await eventually('connections to it have failed', async () => {
    t.equal((await call('checkout')).status, 200);
    return (await failures()) >= 3;
  });
  const families = await scrape(sidecar.addresses.admin);
  t.ok(sumOf(families.get('roost_request_retries_total'), { service: 'checkout.shop' }) >= 3);
  t.equal(sumOf(families.get('roost_upstream_usable'), { endpoint: gone.address }), 0);
  t.equal(sumOf(families.get('roost_cluster_usable_endpoints')), 1);
  t.equal(sumOf(families.get('roost_cluster_endpoints')), 2);
});

t.test('resets, errors, ejections and what limits refuse are counted', async (t) => {
  const waiting: (() => void)[] = [];
  const handler: Handler = (request, response, backend) => {
    if (request.url === '/reset') request.socket.resetAndDestroy();
    else if (request.url === '/broken') response.writeHead(500).end();
    else if (request.url === '/wait') waiting.push(() => response.end());
    else echo(request, response, backend);
  };
  const releases = await startReleases(t, { v1: 1 }, handler);
  const spec = {
    versions: versionsOf(releases),
    outlier: { consecutiveErrors: 2, panicThreshold: 100 },
    limits: { requests: 1 },
  };
  const mesh = await TestMesh.start(t, [checkout({ split: { v1: 1 }, spec })]);
  const sidecar = await mesh.sidecar();
  const call = caller(t, sidecar.addresses.outbound);
  const slow = call('checkout', { path: '/wait' });
  await eventually('it is under way', () => waiting.length === 1);
  t.equal((await call('checkout')).headers['x-roost-error'], 'overloaded');
  waiting[0]?.();
  t.equal((await slow).status, 200);
  t.equal((await call('checkout', { path: '/reset', method: 'POST' })).status, 502);
  // Of a pooled connection, which may just have been idle for too long: that speaks against nobody.
  for (let i = 0; i < 2; i++) t.equal((await call('checkout', { path: '/broken' })).status, 500);
  const families = await scrape(sidecar.addresses.admin);
  t.equal(sumOf(families.get('roost_cluster_shed_total'), { limit: 'requests' }), 1);
  t.equal(sumOf(families.get('roost_cluster_shed_total')), 1);
  t.equal(sumOf(families.get('roost_upstream_resets_total')), 1);
  t.equal(sumOf(families.get('roost_upstream_errors_total')), 2);
  t.equal(sumOf(families.get('roost_upstream_ejections_total')), 1);
  t.equal(sumOf(families.get('roost_upstream_ejected')), 1);
  t.equal(sumOf(families.get('roost_cluster_panicking')), 1);
  t.equal(sumOf(families.get('roost_own_answers_total'), { error: 'overloaded' }), 1);
});

t.test(
  'the control plane shows the metrics of its table, and counts clients, pushes and answers',
  async (t) => {
    const mesh = await TestMesh.start(t, [checkout()]);
    await mesh.sidecar();
    await mesh.split('checkout.shop', { v1: 1 });
    const read = () => scrape(mesh.controlPlane.httpAddress);
    const families = await read();
    assertEqualsTable(t, families, CONTROL_PLANE_METRICS);
    t.equal(sumOf(families.get('roost_control_plane_clients'), { protocol: 'delta' }), 1);
    t.equal(sumOf(families.get('roost_control_plane_clients'), { protocol: 'sotw' }), 0);
    t.equal(sumOf(families.get('roost_control_plane_services')), 1);
    t.equal(sumOf(families.get('roost_control_plane_revision')), 2);
    await eventually('every response is answered', async () => {
      const now = await read();
      const sent = sumOf(now.get('roost_control_plane_responses_total'));
      return sent >= 5 && sumOf(now.get('roost_control_plane_acknowledgements_total')) === sent;
    });
    const settled = await read();
    t.equal(sumOf(settled.get('roost_control_plane_clients_in_sync')), 1);
    t.equal(sumOf(settled.get('roost_control_plane_rejections_total')), 0);
    const countOf = (name: string) =>
      settled.get(name)?.samples.find((sample) => sample.name.endsWith('_count'))?.value;
    t.equal(
      countOf('roost_control_plane_push_duration_seconds'),
      1,
      'the split; before it, nobody was there',
    );
    t.equal(countOf('roost_control_plane_answer_duration_seconds'), 1);
  },
);
