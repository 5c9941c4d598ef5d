import t from 'tap';
import { UnsupportedSecurityError } from '../../../../src/xds/bootstrap-node.js';
import { envoyBootstrap } from '../../../../src/xds/envoy-bootstrap.js';
import { NO_SECURITY } from '../../../support/secured.js';

const OPTIONS = {
  controlPlane: { host: '10.0.0.5', port: 15010 },
  node: 'pod-1',
  service: { name: 'cart', namespace: 'shop' },
  security: NO_SECURITY,
  outbound: { host: '127.0.0.1', port: 15001 },
  admin: { host: '127.0.0.1', port: 15000 },
};
const at = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });

t.test("one listener with every service's routes, the rest by delta ADS", async (t) => {
  t.match(envoyBootstrap(OPTIONS), {
    node: { id: 'pod-1', cluster: 'cart.shop', metadata: { service: 'cart', namespace: 'shop' } },
    admin: { address: at('127.0.0.1', 15000) },
    dynamic_resources: {
      ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3' },
      cds_config: { ads: {} },
    },
    layered_runtime: { layers: [{ static_layer: { 're2.max_program_size.error_level': 100_000 } }] },
    cluster_manager: { load_stats_config: { api_type: 'GRPC' } },
    static_resources: {
      listeners: [
        {
          address: at('127.0.0.1', 15001),
          filter_chains: [
            {
              filters: [
                {
                  typed_config: {
                    rds: { route_config_name: 'outbound', config_source: { ads: {} } },
                    strip_trailing_host_dot: true,
                  },
                },
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

/** The cluster of the control plane, and the secrets beside it. */
function secured(security: object, host = 'control-plane') {
  const { static_resources: found } = envoyBootstrap({
    ...OPTIONS,
    controlPlane: { host, port: 15012 },
    security: { ...NO_SECURITY, ...security },
  }) as { static_resources: { clusters: [Record<string, never>]; secrets?: object[] } };
  return { cluster: found.clusters[0], secrets: found.secrets };
}

t.test('in plain text, nothing is said of TLS or secrets', async (t) => {
  const { cluster, secrets } = secured({});
  t.notOk('transport_socket' in cluster);
  t.equal(secrets, undefined);
});

t.test('with a CA: TLS, and a certificate for the name or address that is dialled', async (t) => {
  t.match(secured({ ca: '/ca.pem' }).cluster, {
    transport_socket: {
      typed_config: {
        sni: 'control-plane',
        common_tls_context: {
          validation_context: {
            trusted_ca: { filename: '/ca.pem' },
            match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'control-plane' } }],
          },
        },
      },
    },
  });
  const byAddress = secured({ ca: '/ca.pem' }, 'fd00::1').cluster;
  t.match(JSON.stringify(byAddress), '"san_type":"IP_ADDRESS","matcher":{"exact":"fd00::1"}');
  t.notMatch(JSON.stringify(byAddress), '"sni"');
});

t.test('credentials are files that Envoy reads; none is printed', async (t) => {
  const { cluster } = secured({ ca: '/ca.pem', clientCert: '/own.pem', clientKey: '/own.key' });
  t.match(
    JSON.stringify(cluster),
    '"tls_certificates":[{"certificate_chain":{"filename":"/own.pem"},"private_key":{"filename":"/own.key"}}]',
  );
  const withToken = secured({ ca: '/ca.pem', tokenFile: '/own.token' });
  t.match(withToken.secrets, [{ generic_secret: { secret: { filename: '/own.token' } } }]);
  t.match(JSON.stringify(withToken.cluster), '"header":"authorization","header_value_prefix":"Bearer "');
});

t.test('what Envoy cannot do is refused with what it can', async (t) => {
  t.throws(() => secured({ ca: 'system' }), {
    constructor: UnsupportedSecurityError,
    message: /Envoy wants a file; .* such as \/etc\/ssl\/certs\/ca-certificates.crt/,
  });
});
