import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout } from '../support/shop.js';

/** The public gRPC-xDS client, as an application would use it: `xds:///checkout`, and our control plane behind it. */

const METHOD = '/shop.Checkout/Which';
const asIs = (bytes: Buffer) => bytes;

/** A gRPC server that answers every call with its name. */
async function startGrpcBackend(t: Test, name: string): Promise<string> {
  const server = new Server();
  const Which = {
    path: METHOD,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  server.addService(
    { Which },
    {
      Which: (_: unknown, callback: (error: null, value: Buffer) => void) =>
        callback(null, Buffer.from(name)),
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  t.teardown(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

async function loadXds(controlPlane: string, namespace: string): Promise<void> {
  process.env.GRPC_XDS_BOOTSTRAP_CONFIG = JSON.stringify({
    xds_servers: [
      { server_uri: controlPlane, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] },
    ],
    node: { id: 'a grpc app', locality: {}, metadata: { namespace } },
  });
  const { register } = await import('@grpc/grpc-js-xds');
  register();
}

function which(client: Client): Promise<string> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 10_000;
    client.makeUnaryRequest(METHOD, asIs, asIs, Buffer.from(''), { deadline }, (error, value) =>
      error ? reject(error) : resolve(String(value)),
    );
  });
}

t.test('a grpc-js-xds client resolves a service from our control plane and follows its split', async (t) => {
  const addresses = new Map<string, string[]>();
  for (const release of ['v1', 'v2']) {
    addresses.set(release, [
      await startGrpcBackend(t, `${release}-1`),
      await startGrpcBackend(t, `${release}-2`),
    ]);
  }
  const versions = [...addresses].map(([name, list]) => ({
    name,
    endpoints: list.map((address) => ({ address })),
  }));
  const mesh = await TestMesh.start(t, [checkout({ split: { v1: 1 }, spec: { versions } })]);
  await loadXds(mesh.controlPlane.grpcAddress, 'shop');

  for (const target of ['xds:///checkout', 'xds:///checkout.shop:8080']) {
    const client = new Client(target, credentials.createInsecure());
    t.teardown(() => client.close());
    t.match(await which(client), /^v1-/, `${target} reaches a backend of v1`);
    await mesh.split('checkout.shop', { v1: 50, v2: 50 });
    const seen = new Set<string>();
    await eventually('both releases answer', async () => {
      seen.add((await which(client)).slice(0, 2));
      return seen.size === 2;
    });
    await mesh.split('checkout.shop', { v1: 1 });
    await eventually('v2 answers no more', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => which(client)));
      return answers.every((answer) => answer.startsWith('v1-'));
    });
  }
});
