import t from 'tap';
import { UnsupportedSecurityError } from '../../../../src/xds/bootstrap-node.js';
import {
  grpcBootstrap,
  InvalidBootstrapError,
  readGrpcBootstrap,
} from '../../../../src/xds/grpc-bootstrap.js';
import { NO_SECURITY } from '../../../support/secured.js';

const OPTIONS = {
  controlPlane: { host: '10.0.0.5', port: 15010 },
  node: 'pod-1',
  service: { name: 'cart', namespace: 'shop' },
  security: NO_SECURITY,
};
const NOBODY = { id: '', cluster: '', locality: undefined, metadata: {} };

/** A bootstrap with these fields of its first server, and a node. */
const server = (fields: object, node?: unknown) =>
  JSON.stringify({
    xds_servers: [
      { server_uri: 'cp:15010', channel_creds: [{ type: 'insecure' }], ...fields },
      { server_uri: 5 },
    ],
    node,
    authorities: { x: {} },
  });

t.test('a bootstrap has what every library asks for', async (t) => {
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

t.test('credentials are files that the library reads (gRFC A65), and never a way round TLS', async (t) => {
  const credentials = (security: object) => {
    const bootstrap = grpcBootstrap({ ...OPTIONS, security: { ...NO_SECURITY, ...security } });
    return (bootstrap as { xds_servers: [{ channel_creds: object[] }] }).xds_servers[0].channel_creds;
  };
  t.same(credentials({ ca: '/ca.pem' }), [{ type: 'tls', config: { ca_certificate_file: '/ca.pem' } }]);
  t.same(credentials({ ca: 'system' }), [{ type: 'tls', config: {} }]);
  t.same(credentials({ ca: '/ca.pem', clientCert: '/own.pem', clientKey: '/own.key' }), [
    {
      type: 'tls',
      config: {
        ca_certificate_file: '/ca.pem',
        certificate_file: '/own.pem',
        private_key_file: '/own.key',
      },
    },
  ]);
  t.throws(() => credentials({ ca: '/ca.pem', tokenFile: '/own.token' }), {
    constructor: UnsupportedSecurityError,
    message: /^--token-file: .*give the client a certificate instead/,
  });
});

t.test('what is printed is read back: the first server, and who one is', async (t) => {
  t.match(readGrpcBootstrap(JSON.stringify(grpcBootstrap(OPTIONS))), {
    controlPlane: OPTIONS.controlPlane,
    security: undefined,
    node: { id: 'pod-1', cluster: 'cart.shop', metadata: { service: 'cart', namespace: 'shop' } },
    ignoresDeletion: false,
  });
  const security = { ...NO_SECURITY, ca: '/ca.pem', clientCert: '/own.pem', clientKey: '/own.key' };
  t.same(readGrpcBootstrap(JSON.stringify(grpcBootstrap({ ...OPTIONS, security }))).security, {
    ca: '/ca.pem',
    clientCert: '/own.pem',
    clientKey: '/own.key',
    tokenFile: '',
  });
});

t.test('the server’s address in either form', async (t) => {
  for (const [uri, host, port] of [
    ['dns:///xds.example:443', 'xds.example', 443],
    ['dns:xds.example:443', 'xds.example', 443],
    ['[fd00::1]:15010', 'fd00::1', 15010],
  ] as const)
    t.same(readGrpcBootstrap(server({ server_uri: uri })).controlPlane, { host, port }, uri);
});

t.test('credentials: the first kind that is known, and a file with a token beside it', async (t) => {
  const read = (fields: object) => readGrpcBootstrap(server(fields)).security;
  t.equal(read({}), undefined);
  t.equal(read({ channel_creds: [{ type: 'google_default' }, { type: 'insecure' }] }), undefined);
  t.match(read({ channel_creds: [{ type: 'tls' }, { type: 'insecure' }] }), { ca: 'system' });
  const call_creds = [
    { type: 'oauth' },
    { type: 'jwt_token_file', config: { jwt_token_file: '/var/run/token' } },
  ];
  t.match(read({ call_creds }), { ca: '', tokenFile: '/var/run/token' });
  t.match(read({ call_creds, channel_creds: [{ type: 'tls', config: { ca_certificate_file: '/ca' } }] }), {
    ca: '/ca',
    tokenFile: '/var/run/token',
  });
});

t.test('who one is, as far as it is told; features of other clients are passed over', async (t) => {
  t.same(readGrpcBootstrap(server({})).node, NOBODY);
  const node = {
    id: 'pod-7',
    cluster: 'carts',
    locality: { region: 'eu', zone: 'eu-1', sub_zone: 'a' },
    metadata: { team: 'shop', labels: { app: 'cart' }, weights: [1, 2] },
    user_agent_name: 'whatever',
  };
  t.same(readGrpcBootstrap(server({}, node)).node, {
    id: 'pod-7',
    cluster: 'carts',
    locality: { region: 'eu', zone: 'eu-1', subZone: 'a' },
    metadata: { team: 'shop', labels: { app: 'cart' }, weights: [1, 2] },
  });
  for (const [server_features, expected] of [
    [['xds_v3', 'trusted_xds_server'], false],
    [['ignore_resource_deletion'], true],
    [[1, null], false],
  ] as const)
    t.equal(readGrpcBootstrap(server({ server_features })).ignoresDeletion, expected);
});

t.test('one that cannot be used is refused with all that would be right', async (t) => {
  for (const [json, ...messages] of [
    ['{', /^is not JSON: /],
    ['null', /^the bootstrap must be an object; found null$/],
    ['{}', /^xds_servers\[0\]\.server_uri must be HOST:PORT or dns:\/\/\/HOST:PORT; found nothing$/],
    ['{"xds_servers":{}}', /^xds_servers must be a list; found {}$/],
    ['{"xds_servers":[7]}', /^xds_servers\[0\] must be an object; found 7$/],
    [server({ server_uri: 'unix:/run/cp' }), /server_uri must be HOST:PORT .*; found "unix:\/run\/cp"$/],
    [
      server({ channel_creds: [{ type: 'google_default' }] }),
      /channel_creds must list { "type": "tls" } or { "type": "insecure" }; found \["google_default"\]$/,
    ],
    [
      server({ channel_creds: [{ type: 'tls', config: { certificate_file: 3 } }] }),
      /certificate_file must be a text/,
    ],
    [server({ call_creds: 'x' }), /call_creds must be a list; found "x"$/],
    [server({ server_features: 'xds_v3' }), /server_features must be a list/],
    [
      server({}, { id: 7, locality: [], metadata: 'x' }),
      /^node\.locality must be an object; found \[\]$/,
      /^node\.id /,
      /^node\.metadata /,
    ],
    [server({}, { locality: { zone: 1 } }), /^node\.locality\.zone must be a text; found 1$/],
  ] as const) {
    try {
      readGrpcBootstrap(json);
      t.fail(json);
    } catch (error) {
      t.ok(error instanceof InvalidBootstrapError, json);
      const { problems } = error as InvalidBootstrapError;
      for (const message of messages)
        t.ok(
          problems.some((problem) => message.test(problem)),
          `${json}: ${problems.join('; ')}`,
        );
    }
  }
});
