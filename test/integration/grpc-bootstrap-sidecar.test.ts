import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StatusResponse } from '../../src/api/config-service.js';
import { ScriptedAdsServer } from '../support/ads-server.js';
import { OPENSSL } from '../support/certificates.js';
import { temporaryFolder } from '../support/folder.js';
import { TestMesh } from '../support/mesh.js';
import { eventually, RoostProcess, roost } from '../support/processes.js';
import { credential, SecuredControlPlane } from '../support/secured.js';
import { meshService } from '../support/shop.js';

/** A sidecar of its own process that finds its control plane by gRPC's bootstrap (gRFC A27). */

const PORTS = ['--outbound', '--inbound', '--admin'].flatMap((flag) => [flag, '127.0.0.1:0']);
const ARGS = ['sidecar', '--service', 'cart.shop', ...PORTS];

async function startWith(t: Test, bootstrap: object, args: readonly string[] = []): Promise<RoostProcess> {
  const env = { GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) };
  return RoostProcess.start(t, [...ARGS, ...args], env);
}

t.test('the bootstrap says where the control plane is, and who one is', async (t) => {
  const mesh = await TestMesh.start(t, [meshService('cart.shop')]);
  const address = mesh.controlPlane.grpcAddress;
  const printed = await roost(['bootstrap', 'grpc', '--control-plane', address, '--node', 'pod-7']);
  const file = join(await temporaryFolder(t), 'bootstrap.json');
  await writeFile(file, printed.stdout);
  const ids = async () =>
    (await mesh.client.call<StatusResponse>('Status', {})).clients.map(({ id }) => id).join();

  const byFile = RoostProcess.start(t, ARGS, { GRPC_XDS_BOOTSTRAP: file });
  await byFile.logged('the first configuration is in force');
  t.equal(await ids(), 'pod-7');
  await byFile.kill('SIGTERM');
  const byText = RoostProcess.start(t, ARGS, { GRPC_XDS_BOOTSTRAP_CONFIG: printed.stdout });
  await byText.logged('the first configuration is in force');
  await eventually('the other is gone', async () => (await ids()) === 'pod-7');
  await byText.kill('SIGTERM');
  const elsewhere = JSON.parse(printed.stdout.replace(address, '127.0.0.1:1'));
  const byFlag = await startWith(t, elsewhere, ['--control-plane', address]);
  await byFlag.logged('the first configuration is in force');
  t.equal(await ids(), 'pod-7', 'a flag goes before the bootstrap’s server, and who one is stays');
  await byFlag.kill('SIGTERM');
});

t.test('everything that it says of the node is told, beside what the flags say', async (t) => {
  const server = await ScriptedAdsServer.start(t);
  const { host, port } = server.address;
  await startWith(t, {
    xds_servers: [
      { server_uri: `${host}:${port}`, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] },
    ],
    node: {
      id: 'pod-7',
      cluster: 'carts',
      locality: { region: 'eu', zone: 'eu-1', sub_zone: 'a' },
      metadata: { team: 'blue', namespace: 'not this', limits: { cpu: 2, tags: ['x', true, null] } },
    },
  });
  const { node } = await server.next('listener');
  t.match(node, {
    id: 'pod-7',
    cluster: 'carts',
    locality: { region: 'eu', zone: 'eu-1', subZone: 'a' },
    userAgentName: 'roost',
    clientFeatures: ['xds.config.supports-resource-ttl', 'envoy.lb.does_not_support_overprovisioning'],
    metadata: {
      fields: {
        team: { stringValue: 'blue' },
        namespace: { stringValue: 'shop' },
        service: { stringValue: 'cart' },
        limits: {
          structValue: {
            fields: {
              cpu: { numberValue: 2 },
              tags: {
                listValue: {
                  values: [{ stringValue: 'x' }, { boolValue: true }, { nullValue: 'NULL_VALUE' }],
                },
              },
            },
          },
        },
      },
    },
  });
});

t.test(
  'by TLS, with a certificate or a token from the files that it names',
  { skip: OPENSSL.skip },
  async (t) => {
    const pod = credential('cart', 'sidecar', ['shop']);
    const byCertificate = {
      name: 'carts',
      certificate: { commonName: 'cart' },
      role: 'sidecar',
      namespaces: ['shop'],
    };
    const secured = await SecuredControlPlane.start(t, [pod.entry, byCertificate]);
    const { cert, key } = await secured.authority.issue('cart');
    const tokenFile = join(secured.folder, 'pod.token');
    await writeFile(tokenFile, pod.token);
    const ca_certificate_file = secured.authority.files.cert;
    const own = { certificate_file: cert, private_key_file: key };
    for (const server of [
      { channel_creds: [{ type: 'tls', config: { ca_certificate_file, ...own } }] },
      {
        channel_creds: [{ type: 'tls', config: { ca_certificate_file } }],
        call_creds: [{ type: 'jwt_token_file', config: { jwt_token_file: tokenFile } }],
      },
    ]) {
      const xds_servers = [{ server_uri: secured.controlPlane.grpcTlsAddress, ...server }];
      const sidecar = await startWith(t, { xds_servers });
      await sidecar.logged('the first configuration is in force');
      await sidecar.kill('SIGTERM');
    }
  },
);

t.test('one that cannot be used: every reason, and exit code 2', async (t) => {
  const broken = await roost(ARGS, { env: { GRPC_XDS_BOOTSTRAP_CONFIG: '{"xds_servers": [], "node": 7}' } });
  t.equal(broken.code, 2);
  t.match(
    broken.stderr,
    /^GRPC_XDS_BOOTSTRAP_CONFIG: xds_servers\[0\]\.server_uri must be HOST:PORT or dns:/,
  );
  t.match(broken.stderr, /\nGRPC_XDS_BOOTSTRAP_CONFIG: xds_servers\[0\]\.channel_creds must list /);
  t.match(broken.stderr, /\nGRPC_XDS_BOOTSTRAP_CONFIG: node must be an object; found 7\n/);
  const missing = await roost(ARGS, { env: { GRPC_XDS_BOOTSTRAP: '/nowhere/b.json' } });
  t.equal(missing.code, 1);
  t.match(missing.stderr, /no such file.*\/nowhere\/b\.json/);
});
