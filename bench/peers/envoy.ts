import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backends, podsOf } from '../backends/backends.js';
import { freePorts } from '../free-ports.js';
import { onPath } from '../processes.js';
import { AUTHORITY, CANARY_SHARE, KEY_HEADER } from '../workloads.js';
import type { Peer, PeerContext, StartedPeer } from './peer.js';

const TYPE = 'type.googleapis.com/envoy.extensions';

/** @param path of the binary, where it is not on PATH */
export function envoy(path: string | undefined): Peer {
  const binary = path === undefined || path === '' ? onPath('envoy') : onPath(path);
  return {
    name: 'envoy',
    description: 'Envoy, concurrency 1, with its counters and histograms',
    remedy: 'put envoy on PATH, or name it with ENVOY= or --with-envoy PATH',
    version() {
      if (binary === undefined) return undefined;
      const printed = execFileSync(binary, ['--version'], { encoding: 'utf8' });
      return /\/(\d+\.\d+\.\d+)\//.exec(printed)?.[1] ?? 'unknown';
    },
    start: (context) => start(binary as string, context),
  };
}

async function start(binary: string, context: PeerContext): Promise<StartedPeer> {
  const { processes, backends, folder } = context;
  const [port, second, admin] = (await freePorts(3)) as [number, number, number];
  const tlsPort = backends.certificate ? second : undefined;
  const file = join(folder, 'envoy.json');
  writeFileSync(file, JSON.stringify(configuration(backends, { port, tlsPort, admin }), undefined, 2));
  const args = ['-c', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'];
  const proxy = processes.start(binary, args, { name: 'envoy', cores: context.proxyCores });
  await proxy.listening(port);
  return { proxy, port, tlsPort, stop: () => processes.stop(proxy) };
}

interface Ports {
  readonly port: number;
  readonly tlsPort: number | undefined;
  readonly admin: number;
}

function configuration(backends: Backends, { port, tlsPort, admin }: Ports): object {
  const sides = [
    { suffix: 'plain' as const, port },
    ...(tlsPort === undefined ? [] : [{ suffix: 'tls' as const, port: tlsPort }]),
  ];
  return {
    admin: { address: socketAddress(admin) },
    static_resources: {
      listeners: sides.map((side) => listener(side.suffix, side.port)),
      clusters: sides.flatMap(({ suffix }) => [
        cluster(backends, 'v1', suffix),
        cluster(backends, 'v2', suffix),
      ]),
    },
  };
}

function listener(suffix: string, port: number): object {
  return {
    name: suffix,
    address: socketAddress(port),
    tcp_backlog_size: 4096,
    filter_chains: [{ filters: [{ name: 'hcm', typed_config: connectionManager(suffix) }] }],
  };
}

/** Counters, histograms and `x-request-id` are on by default; access log and tracing are off by default. */
function connectionManager(suffix: string): object {
  return {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: suffix,
    use_remote_address: true,
    http_filters: [{ name: 'router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } }],
    route_config: {
      name: suffix,
      virtual_hosts: [{ name: 'checkout', domains: [AUTHORITY], routes: [route(suffix)] }],
    },
  };
}

function route(suffix: string): object {
  const canary = CANARY_SHARE * 10_000;
  return {
    match: { prefix: '/' },
    route: {
      weighted_clusters: {
        clusters: [
          { name: `v1-${suffix}`, weight: 10_000 - canary },
          { name: `v2-${suffix}`, weight: canary },
        ],
        use_hash_policy: true,
      },
      hash_policy: [{ header: { header_name: KEY_HEADER }, terminal: true }],
      timeout: '0s',
      retry_policy: {
        retry_on: 'connect-failure,reset,retriable-status-codes',
        retriable_status_codes: [503],
        num_retries: 2,
      },
    },
  };
}

function cluster(backends: Backends, release: 'v1' | 'v2', suffix: 'plain' | 'tls'): object {
  const name = `${release}-${suffix}`;
  const endpoints = podsOf(backends, release).map((pod) => ({
    endpoint: { address: socketAddress((suffix === 'tls' ? pod.tlsPort : pod.port) as number) },
  }));
  const thresholds = { max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000 };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    lb_policy: 'RING_HASH',
    circuit_breakers: { thresholds: [thresholds] },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...(suffix === 'tls' ? { transport_socket: upstreamTls(backends) } : {}),
  };
}

function upstreamTls({ certificate }: Backends): object {
  const match = { san_type: 'DNS', matcher: { exact: AUTHORITY } };
  return {
    name: 'tls',
    typed_config: {
      '@type': `${TYPE}.transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: AUTHORITY,
      common_tls_context: {
        tls_params: { tls_maximum_protocol_version: 'TLSv1_3' },
        validation_context: {
          trusted_ca: { filename: certificate?.certFile },
          match_typed_subject_alt_names: [match],
        },
      },
    },
  };
}

function socketAddress(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
