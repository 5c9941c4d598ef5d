import { isIP } from 'node:net';
import { SYSTEM_CA } from '../access/channel-security.js';
import type { SocketAddress } from '../model/formats.js';
import {
  type BootstrapOptions,
  type BootstrapSecurity,
  bootstrapNode,
  UnsupportedSecurityError,
} from './bootstrap-node.js';
import { OUTBOUND_ROUTES } from './resource-names.js';

export interface EnvoyOptions extends BootstrapOptions {
  /** Where the app's calls arrive. */
  readonly outbound: SocketAddress;
  readonly admin: SocketAddress;
}

const CONTROL_PLANE_CLUSTER = 'roost-control-plane';
const CONTROL_PLANE = {
  transport_api_version: 'V3',
  grpc_services: [{ envoy_grpc: { cluster_name: CONTROL_PLANE_CLUSTER } }],
};
const ADS = { ads: {}, resource_api_version: 'V3' };
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/**
 * Envoy refuses regular expressions of more than 100 instructions unless it is told otherwise; the control plane takes
 * none of more than 10,000, and conditions on cookies and parameters are larger expressions around those.
 */
export const ENVOY_RUNTIME = { 're2.max_program_size.error_level': 100_000 };

/**
 * An Envoy bootstrap: one listener for the app's calls, whose routes are those of every service; clusters and
 * endpoints follow. All of it by delta ADS.
 *
 * @throws UnsupportedSecurityError
 */
export function envoyBootstrap(options: EnvoyOptions): object {
  const { security } = options;
  if (security.ca === SYSTEM_CA)
    throw new UnsupportedSecurityError(
      '--ca: Envoy wants a file; name the one that holds the authorities that its machine trusts, such as /etc/ssl/certs/ca-certificates.crt',
    );
  return {
    node: bootstrapNode(options),
    admin: { address: socketAddress(options.admin) },
    dynamic_resources: {
      ads_config: { api_type: 'DELTA_GRPC', set_node_on_first_message_only: true, ...CONTROL_PLANE },
      cds_config: ADS,
    },
    layered_runtime: { layers: [{ name: 'roost', static_layer: ENVOY_RUNTIME }] },
    // What it counts is in "roost status", as a sidecar's is.
    cluster_manager: { load_stats_config: { api_type: 'GRPC', ...CONTROL_PLANE } },
    static_resources: {
      listeners: [outboundListener(options.outbound)],
      clusters: [controlPlaneCluster(options)],
      ...(security.tokenFile === '' ? {} : { secrets: [tokenSecret(security.tokenFile)] }),
    },
  };
}

function outboundListener(address: SocketAddress): object {
  const manager = {
    '@type': `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'outbound',
    rds: { route_config_name: OUTBOUND_ROUTES, config_source: ADS },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    // As sidecars do, which take a host with the dot that ends a DNS name for the same host.
    strip_trailing_host_dot: true,
    http_filters: [
      // Does nothing but on routes that inject faults.
      extension('envoy.filters.http.fault', 'filters.http.fault.v3.HTTPFault'),
      extension('envoy.filters.http.router', 'filters.http.router.v3.Router'),
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

function extension(name: string, type: string, config: object = {}): object {
  return { name, typed_config: { '@type': `${EXTENSIONS}.${type}`, ...config } };
}

function controlPlaneCluster({ controlPlane, security }: EnvoyOptions): object {
  const httpOptions = {
    '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
    // Without keep-alive, a control plane that vanished would be noticed by the next change of its own only.
    explicit_http_config: {
      http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } },
    },
    ...(security.tokenFile === '' ? {} : { http_filters: tokenFilters() }),
  };
  return {
    name: CONTROL_PLANE_CLUSTER,
    type: 'STRICT_DNS',
    connect_timeout: '5s',
    ...(security.ca === '' ? {} : { transport_socket: tlsSocket(controlPlane.host, security) }),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': httpOptions,
    },
    load_assignment: {
      cluster_name: CONTROL_PLANE_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(controlPlane) } }] }],
    },
  };
}

/** The certificate has to be signed by the CA, and for the name or address that is dialled. */
function tlsSocket(host: string, { ca, clientCert, clientKey }: BootstrapSecurity): object {
  const isName = isIP(host) === 0;
  const names = [{ san_type: isName ? 'DNS' : 'IP_ADDRESS', matcher: { exact: host } }];
  const certificate = { certificate_chain: { filename: clientCert }, private_key: { filename: clientKey } };
  return extension('envoy.transport_sockets.tls', 'transport_sockets.tls.v3.UpstreamTlsContext', {
    ...(isName ? { sni: host } : {}),
    common_tls_context: {
      alpn_protocols: ['h2'],
      validation_context: { trusted_ca: { filename: ca }, match_typed_subject_alt_names: names },
      ...(clientCert === '' ? {} : { tls_certificates: [certificate] }),
    },
  });
}

const TOKEN_SECRET = 'roost-token';

function tokenSecret(filename: string): object {
  return { name: TOKEN_SECRET, generic_secret: { secret: { filename } } };
}

/** What puts the token, which stays in its file, on requests to the control plane. */
function tokenFilters(): object[] {
  const credential = extension(
    'envoy.http.injected_credentials.generic',
    'http.injected_credentials.generic.v3.Generic',
    { credential: { name: TOKEN_SECRET }, header: 'authorization', header_value_prefix: 'Bearer ' },
  );
  return [
    extension(
      'envoy.filters.http.credential_injector',
      'filters.http.credential_injector.v3.CredentialInjector',
      { overwrite: true, credential },
    ),
    extension('envoy.filters.http.upstream_codec', 'filters.http.upstream_codec.v3.UpstreamCodec'),
  ];
}

function socketAddress({ host, port }: SocketAddress): object {
  return { socket_address: { address: host, port_value: port } };
}
