import t from 'tap';
import {
  envoyBootstrap,
  grpcBootstrap,
  InvalidBootstrapError,
  readGrpcBootstrap,
} from '../../../../src/xds/bootstrap.js';

const OPTIONS = {
  controlPlane: { host: '10.0.0.5', port: 15010 },
  node: 'pod-1',
  service: { name: 'cart', namespace: 'shop' },
};
const server = (fields: object) =>
  JSON.stringify({
    xds_servers: [{ server_uri: 'cp:15010', channel_creds: [{ type: 'insecure' }], ...fields }],
  });

t.test('a gRPC bootstrap has what every library asks for', async (t) => {
  t.same(grpcBootstrap(OPTIONS), {
    xds_servers: [
      {
        server_uri: '10.0.0.5:15010',
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    node: {
      id: 'pod-1',
      cluster: 'cart.shop',
      metadata: { service: 'cart', namespace: 'shop' },
      locality: {},
    },
  });
  t.match(grpcBootstrap({ ...OPTIONS, controlPlane: { host: 'fd00::1', port: 1 }, service: undefined }), {
    xds_servers: [{ server_uri: '[fd00::1]:1' }],
    node: { id: 'pod-1', metadata: { namespace: 'default' } },
  });
});

t.test("an Envoy bootstrap: one listener with every service's routes, the rest by delta ADS", async (t) => {
  const at = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });
  const bootstrap = envoyBootstrap({
    ...OPTIONS,
    outbound: { host: '127.0.0.1', port: 15001 },
    admin: { host: '127.0.0.1', port: 15000 },
  });
  t.match(bootstrap, {
    node: { id: 'pod-1', cluster: 'cart.shop', metadata: { service: 'cart', namespace: 'shop' } },
    admin: { address: at('127.0.0.1', 15000) },
    dynamic_resources: {
      ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3' },
      cds_config: { ads: {} },
    },
    static_resources: {
      listeners: [
        {
          address: at('127.0.0.1', 15001),
          filter_chains: [
            {
              filters: [
                { typed_config: { rds: { route_config_name: 'outbound', config_source: { ads: {} } } } },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          load_assignment: {
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at('10.0.0.5', 15010) } }] }],
          },
        },
      ],
    },
  });
});

t.test('a gRPC bootstrap is read back: the first server, and who one is', async (t) => {
  t.same(readGrpcBootstrap(JSON.stringify(grpcBootstrap(OPTIONS))), {
    controlPlane: OPTIONS.controlPlane,
    nodeId: 'pod-1',
  });
  t.same(readGrpcBootstrap(server({ server_uri: 'dns:///xds.example:443' })), {
    controlPlane: { host: 'xds.example', port: 443 },
    nodeId: '',
  });
});

t.test('one that cannot be used is refused with what would be right', async (t) => {
  for (const [json, message] of [
    ['{', /^is no JSON: /],
    ['null', /^xds_servers\[0\]\.server_uri must be HOST:PORT or dns:\/\/\/HOST:PORT; found nothing$/],
    [server({ server_uri: 'unix:/run/cp' }), /server_uri must be HOST:PORT .*; found "unix:\/run\/cp"$/],
    [
      server({ channel_creds: [{ type: 'tls' }] }),
      /channel_creds must list \{ "type": "insecure" \}.*found \["tls"\]$/,
    ],
  ] as const)
    t.throws(() => readGrpcBootstrap(json), { constructor: InvalidBootstrapError, message }, json);
});
