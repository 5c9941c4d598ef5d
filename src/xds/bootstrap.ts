import { type SocketAddress, splitHostPort } from '../model/formats.js';
import { formatAddress } from './fields.js';
import { OUTBOUND_ROUTES } from './resource-names.js';

/** Configuration that makes other xDS clients use a control plane, and how our sidecar reads the one that gRPC has. */
export interface BootstrapOptions {
  readonly controlPlane: SocketAddress;
  /** Names this client in `roost status`. */
  readonly node: string;
  /** The service it runs beside; undefined: of no service, in the namespace `default`. */
  readonly service: { readonly name: string; readonly namespace: string } | undefined;
}

/**
 * A gRPC bootstrap (gRFC A27). `locality` is there because grpc-js refuses a node without one; `xds_v3` because
 * older libraries speak version 2 unless told.
 */
export function grpcBootstrap(options: BootstrapOptions): object {
  const { host, port } = options.controlPlane;
  return {
    xds_servers: [
      {
        server_uri: formatAddress(host, port),
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    node: { ...nodeOf(options), locality: {} },
  };
}

export interface EnvoyOptions extends BootstrapOptions {
  /** Where the app's calls arrive. */
  readonly outbound: SocketAddress;
  readonly admin: SocketAddress;
}

const CONTROL_PLANE_CLUSTER = 'roost-control-plane';
const ADS = { ads: {}, resource_api_version: 'V3' };
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/**
 * An Envoy bootstrap: one listener for the app's calls, whose routes are those of every service; clusters and
 * endpoints follow. All of it by delta ADS.
 */
export function envoyBootstrap(options: EnvoyOptions): object {
  return {
    node: { ...nodeOf(options) },
    admin: { address: socketAddress(options.admin) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: CONTROL_PLANE_CLUSTER } }],
      },
      cds_config: ADS,
    },
    static_resources: {
      listeners: [outboundListener(options.outbound)],
      clusters: [controlPlaneCluster(options.controlPlane)],
    },
  };
}

function outboundListener(address: SocketAddress): object {
  const manager = {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'outbound',
    rds: { route_config_name: OUTBOUND_ROUTES, config_source: ADS },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    http_filters: [
      // Does nothing but on routes that inject faults.
      filter('envoy.filters.http.fault', 'fault.v3.HTTPFault'),
      filter('envoy.filters.http.router', 'router.v3.Router'),
    ],
  };
  return {
    name: 'outbound',
    address: socketAddress(address),
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
    ],
  };
}

function filter(name: string, type: string): object {
  return { name, typed_config: { '@type': `${EXTENSIONS}.filters.http.${type}` } };
}

function controlPlaneCluster(address: SocketAddress): object {
  const httpOptions = {
    '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
    // Without keep-alive, a control plane that vanished would be noticed by the next change of its own only.
    explicit_http_config: {
      http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } },
    },
  };
  return {
    name: CONTROL_PLANE_CLUSTER,
    type: 'STRICT_DNS',
    connect_timeout: '5s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': httpOptions,
    },
    load_assignment: {
      cluster_name: CONTROL_PLANE_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address) } }] }],
    },
  };
}

function nodeOf({ node, service }: BootstrapOptions): object {
  if (service === undefined) return { id: node, cluster: 'default', metadata: { namespace: 'default' } };
  const { name, namespace } = service;
  return { id: node, cluster: `${name}.${namespace}`, metadata: { service: name, namespace } };
}

function socketAddress({ host, port }: SocketAddress): object {
  return { socket_address: { address: host, port_value: port } };
}

/** What our sidecar takes from a gRPC bootstrap. */
export interface ReadBootstrap {
  readonly controlPlane: SocketAddress;
  /** Empty: not told. */
  readonly nodeId: string;
}

/** A gRPC bootstrap cannot be used; the message says what would be right. */
export class InvalidBootstrapError extends Error {}

/** Reads a gRPC bootstrap: the first server, as grpc-js does. @throws InvalidBootstrapError */
export function readGrpcBootstrap(json: string): ReadBootstrap {
  const parsed = parseJson(json) as {
    readonly xds_servers?: readonly {
      readonly server_uri?: unknown;
      readonly channel_creds?: readonly { readonly type?: unknown }[];
    }[];
    readonly node?: { readonly id?: unknown };
  } | null;
  const server = parsed?.xds_servers?.[0];
  const uri = server?.server_uri;
  const controlPlane = typeof uri === 'string' ? splitHostPort(uri.replace(/^dns:\/\/\//, '')) : undefined;
  if (controlPlane === undefined)
    throw new InvalidBootstrapError(
      `xds_servers[0].server_uri must be HOST:PORT or dns:///HOST:PORT; found ${JSON.stringify(uri) ?? 'nothing'}`,
    );
  const types = (server?.channel_creds ?? []).map(({ type }) => type);
  if (!types.includes('insecure'))
    throw new InvalidBootstrapError(
      `xds_servers[0].channel_creds must list { "type": "insecure" }, the only kind there is yet; found ${JSON.stringify(types)}`,
    );
  const id = parsed?.node?.id;
  return { controlPlane, nodeId: typeof id === 'string' ? id : '' };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new InvalidBootstrapError(`is no JSON: ${(cause as Error).message}`);
  }
}
