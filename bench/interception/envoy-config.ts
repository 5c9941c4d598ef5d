/** A bootstrap in which Envoy forwards redirected connections to where they were going, as a sidecar without routes. */
export function originalDestinationEnvoy(): object {
  return {
    static_resources: {
      listeners: [listener('outbound', 15001), listener('inbound', 15006)],
      clusters: [
        {
          name: 'original',
          type: 'ORIGINAL_DST',
          lb_policy: 'CLUSTER_PROVIDED',
          connect_timeout: '5s',
        },
      ],
    },
  };
}

function listener(name: string, port: number): object {
  const router = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
  const manager = {
    '@type':
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: name,
    route_config: {
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'original' } }] },
      ],
    },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': router } }],
  };
  const original = 'type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst';
  return {
    name,
    address: { socket_address: { address: '0.0.0.0', port_value: port } },
    listener_filters: [{ name: 'envoy.filters.listener.original_dst', typed_config: { '@type': original } }],
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
    ],
  };
}
