import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { parse } from 'yaml';
import { ENVOY_RUNTIME } from '../../src/xds/envoy-bootstrap.js';
import { temporaryFolder } from './folder.js';
import { findPeer, pathOf } from './peers.js';
import { eventually, roost } from './processes.js';

/** The binary, from `ENVOY` or PATH. Its `skip` is for the tests that need it. */
export const ENVOY = findPeer('ENVOY', 'envoy');

/** A running Envoy. */
export interface EnvoyProcess {
  readonly admin: string;
  /** Where each of its listeners listens, by name. */
  readonly listeners: Readonly<Record<string, string>>;
}

/**
 * Starts an Envoy with this bootstrap (version 3, as an object) and an admin port of its own, and waits until its
 * listeners listen.
 */
export async function startEnvoy(t: Test, bootstrap: object): Promise<EnvoyProcess> {
  const folder = await temporaryFolder(t);
  const config = join(folder, 'bootstrap.json');
  const adminFile = join(folder, 'admin');
  await writeFile(config, JSON.stringify({ ...bootstrap, admin: { address: socketAddress('127.0.0.1:0') } }));
  const args = ['--config-path', config, '--admin-address-path', adminFile];
  const quiet = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'error'];
  const child = spawn(pathOf(ENVOY), [...args, ...quiet], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data) => (log += String(data)));
  const exited = once(child, 'close');
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
    if (log !== '') t.comment(`envoy said: ${log}`);
  });
  let admin = '';
  await eventually('envoy has an admin port', async () => {
    if (child.exitCode !== null) throw new Error(`envoy ended with ${child.exitCode}: ${log}`);
    admin = await readFile(adminFile, 'utf8').catch(() => '');
    return admin !== '';
  });
  await eventually('envoy is ready', async () => (await fetch(`http://${admin}/ready`)).status === 200);
  return { admin, listeners: await listenersOf(admin) };
}

/**
 * Starts an Envoy from what `roost bootstrap envoy` prints, used as it is but for the ports, which have to be free.
 *
 * @param args of the command
 */
export async function startPrintedEnvoy(
  t: Test,
  args: readonly string[],
): Promise<EnvoyProcess & { readonly printed: string }> {
  const { code, stdout, stderr } = await roost(['bootstrap', 'envoy', ...args]);
  if (code !== 0) throw new Error(stderr);
  const bootstrap = parse(stdout);
  bootstrap.static_resources.listeners[0].address.socket_address.port_value = 0;
  return { ...(await startEnvoy(t, bootstrap)), printed: stdout };
}

/** Statistics of a running Envoy, by name. */
export async function envoyStats({ admin }: EnvoyProcess, filter: string): Promise<Record<string, number>> {
  const response = await fetch(`http://${admin}/stats?format=json&filter=${encodeURIComponent(filter)}`);
  const { stats } = (await response.json()) as { stats: { name?: string; value?: number }[] };
  return Object.fromEntries(
    stats.flatMap(({ name, value }) => (name === undefined ? [] : [[name, value ?? 0]])),
  );
}

async function listenersOf(admin: string): Promise<Record<string, string>> {
  const response = await fetch(`http://${admin}/listeners?format=json`);
  const { listener_statuses: statuses = [] } = (await response.json()) as {
    listener_statuses?: {
      name: string;
      local_address: { socket_address: { address: string; port_value: number } };
    }[];
  };
  return Object.fromEntries(
    statuses.map(({ name, local_address: { socket_address: at } }) => [
      name,
      `${at.address}:${at.port_value}`,
    ]),
  );
}

/** `host:port` as Envoy's configuration has it. */
export function socketAddress(hostPort: string): object {
  const colon = hostPort.lastIndexOf(':');
  const [host, port] = [hostPort.slice(0, colon), Number(hostPort.slice(colon + 1))];
  return { socket_address: { address: host, port_value: port } };
}

const HTTP = 'type.googleapis.com/envoy.extensions';
const ADS = { ads: {}, resource_api_version: 'V3' };

export interface AdsClientOptions {
  /** Our control plane's gRPC port. */
  readonly controlPlane: string;
  readonly namespace: string;
  /** Route configurations to fetch: a listener each, on a free port, under the same name. */
  readonly routes: readonly string[];
  /** HTTP filters before the router. */
  readonly filters?: readonly object[];
}

/** A bootstrap that takes routes, clusters and endpoints from our control plane by ADS. */
export function adsBootstrap({ controlPlane, namespace, routes, filters = [] }: AdsClientOptions): object {
  return {
    node: { id: 'an envoy', cluster: 'tests', metadata: { namespace } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'control-plane' } }],
      },
      cds_config: ADS,
    },
    layered_runtime: { layers: [{ name: 'roost', static_layer: ENVOY_RUNTIME }] },
    static_resources: {
      listeners: routes.map((route) => routeListener(route, filters)),
      clusters: [controlPlaneCluster(controlPlane)],
    },
  };
}

function routeListener(name: string, filters: readonly object[]): object {
  const manager = {
    '@type': `${HTTP}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    rds: { route_config_name: name, config_source: ADS },
    http_filters: [
      ...filters,
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${HTTP}.filters.http.router.v3.Router` },
      },
    ],
  };
  return {
    name,
    address: socketAddress('127.0.0.1:0'),
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
    ],
  };
}

function controlPlaneCluster(address: string): object {
  return {
    name: 'control-plane',
    type: 'STATIC',
    connect_timeout: '5s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${HTTP}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: 'control-plane',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address) } }] }],
    },
  };
}
