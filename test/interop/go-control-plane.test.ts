import t, { type Test } from 'tap';
import { FastCaller, type NamedBackend, startBackends } from '../support/fast-traffic.js';
import { GO_XDS, GoControlPlane } from '../support/go-xds.js';
import { toAddress } from '../support/mesh.js';
import { eventually, startSidecar } from '../support/processes.js';

/**
 * A sidecar's process that a control plane of another make drives: go-control-plane's server, which many control
 * planes are made of, in both protocols. It answers a state-of-the-world request only when that names all there is.
 */

const { skip } = GO_XDS;
const HOST = 'checkout.example';
const ENVOY = 'type.googleapis.com/envoy';
const ADS = { ads: {}, resource_api_version: 'V3' };
const HTTP = `${ENVOY}.extensions.filters`;

function listener(): object {
  const router = { name: 'router', typed_config: { '@type': `${HTTP}.http.router.v3.Router` } };
  const manager = {
    '@type': `${HTTP}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'http',
    rds: { route_config_name: 'routes', config_source: ADS },
    http_filters: [router],
  };
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }];
  const address = { socket_address: { address: '0.0.0.0', port_value: 15001 } };
  return {
    '@type': `${ENVOY}.config.listener.v3.Listener`,
    name: 'outbound',
    address,
    filter_chains: [{ filters }],
  };
}

function routes(weights: Readonly<Record<string, number>>, action: object = {}): object {
  const clusters = Object.entries(weights).map(([name, weight]) => ({ name, weight }));
  const retry = { retry_on: 'connect-failure,refused-stream', num_retries: 2 };
  const route = { weighted_clusters: { clusters }, timeout: '0s', retry_policy: retry, ...action };
  return {
    '@type': `${ENVOY}.config.route.v3.RouteConfiguration`,
    name: 'routes',
    virtual_hosts: [{ name: 'all', domains: [HOST], routes: [{ match: { prefix: '/' }, route }] }],
  };
}

const cluster = (name: string, lbPolicy: string) => ({
  '@type': `${ENVOY}.config.cluster.v3.Cluster`,
  name,
  type: 'EDS',
  connect_timeout: '1s',
  eds_cluster_config: { eds_config: ADS },
  lb_policy: lbPolicy,
});

function assignment(name: string, backends: readonly NamedBackend[]): object {
  const lb_endpoints = backends.map((backend) => {
    const { host, port } = toAddress(backend.address);
    return { endpoint: { address: { socket_address: { address: host, port_value: port } } } };
  });
  return {
    '@type': `${ENVOY}.config.endpoint.v3.ClusterLoadAssignment`,
    cluster_name: name,
    endpoints: [{ lb_endpoints }],
  };
}

interface Mesh {
  readonly weights: Readonly<Record<string, number>>;
  readonly endpoints: Readonly<Record<string, readonly NamedBackend[]>>;
  readonly action?: object;
  readonly lbPolicy?: string;
}

const resourcesOf = ({ weights, endpoints, action, lbPolicy = 'ROUND_ROBIN' }: Mesh) => [
  listener(),
  routes(weights, action),
  ...Object.entries(endpoints).flatMap(([name, backends]) => [
    cluster(name, lbPolicy),
    assignment(name, backends),
  ]),
];

/** Calls all the time, and counts who has answered. */
class Load {
  readonly failed: string[] = [];
  private answers: string[] = [];
  private running = true;
  private readonly workers: Promise<void>[];

  constructor(private readonly caller: FastCaller) {
    this.workers = [1, 2, 3, 4].map(() => this.work());
  }

  /** Who answers the next so many calls, and how often. */
  async next(calls: number): Promise<Record<string, number>> {
    this.answers = [];
    await eventually('calls go on', () => this.answers.length >= calls);
    const counts: Record<string, number> = {};
    for (const answer of this.answers.slice(0, calls)) counts[answer] = (counts[answer] ?? 0) + 1;
    return counts;
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.workers);
  }

  private async work(): Promise<void> {
    while (this.running) {
      const { status, body } = await this.caller.one({ host: HOST });
      if (status === 200) this.answers.push(body);
      else this.failed.push(`${status} ${body}`);
    }
  }
}

const share = (counts: Readonly<Record<string, number>>, release: string) => {
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const own = Object.entries(counts).filter(([name]) => name.startsWith(release));
  return own.reduce((sum, [, count]) => sum + count, 0) / all;
};

for (const mode of ['delta', 'sotw'] as const)
  t.test(`${mode}: splits, endpoints, refusals, clusters that go, a restart`, { skip }, (t) => run(t, mode));

async function run(t: Test, mode: 'delta' | 'sotw'): Promise<void> {
  const backends = await startBackends(t, { v1: 3, v2: 2 });
  const [v1, v2] = ['v1', 'v2'].map((name) => backends.get(name) as NamedBackend[]) as [
    NamedBackend[],
    NamedBackend[],
  ];
  const server = await GoControlPlane.start(t);
  const first: Mesh = { weights: { v1: 70, v2: 30 }, endpoints: { v1: v1.slice(0, 2), v2 } };
  server.serve('1', resourcesOf(first));
  const { outbound, admin } = await startSidecar(t, [
    '--control-plane',
    server.address,
    '--service',
    'app.shop',
    '--xds-mode',
    mode,
  ]);
  await eventually('it is ready', async () => (await fetch(`http://${admin}/ready`)).status === 200);
  const load = new Load(new FastCaller(t, outbound));

  const split = await load.next(2000);
  t.same(Object.keys(split).sort(), ['v1-1', 'v1-2', 'v2-1', 'v2-2']);
  t.ok(Math.abs(share(split, 'v2') - 0.3) < 0.06, JSON.stringify(split));

  server.serve('2', resourcesOf({ ...first, weights: { v1: 10, v2: 90 }, endpoints: { v1, v2 } }));
  await eventually('the weights are in force', async () => share(await load.next(500), 'v2') > 0.8);
  await eventually('so are the endpoints', async () => Object.keys(await load.next(500)).length === 5);

  const bad = { cluster_header: 'x-cluster', weighted_clusters: undefined };
  server.serve('3', resourcesOf({ ...first, endpoints: { v1, v2 }, action: bad }).map(withoutWeights));
  await eventually('it is refused', () => server.refusals.length > 0);
  t.match(server.refusals[0], /^route routes: virtual_hosts\[0\]\.routes\[0\]\.route\.cluster_header/);
  t.ok(share(await load.next(500), 'v2') > 0.8, 'the last good version stays');

  server.serve('4', resourcesOf({ weights: { v2: 1 }, endpoints: { v2 } }));
  await eventually('v1 is out', async () => share(await load.next(300), 'v2') === 1);
  server.serve('5', resourcesOf({ weights: { v2: 1 }, endpoints: { v2 }, lbPolicy: 'LEAST_REQUEST' }));

  await server.kill();
  t.equal(share(await load.next(300), 'v2'), 1, 'without a control plane all goes on');
  const again = await GoControlPlane.start(t, server.address);
  again.serve('6', resourcesOf({ weights: { v1: 1, v2: 1 }, endpoints: { v1, v2 } }));
  await eventually('v1 is back', async () => Object.keys(await load.next(500)).length === 5);

  await load.stop();
  t.same(load.failed, [], 'no call failed');
  t.same([...server.streams, ...again.streams], [mode, mode]);
  // In state of the world, it answers a refusal with what was refused, as fast as it is told.
  t.ok(server.refusals.length < 20, `${server.refusals.length} refusals`);
  t.same(again.refusals, []);
}

/** JSON has no undefined: a route without the clusters that its header is to name. */
function withoutWeights(resource: object): object {
  return JSON.parse(JSON.stringify(resource)) as object;
}
