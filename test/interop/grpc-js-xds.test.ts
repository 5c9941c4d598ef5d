import { Client, credentials } from '@grpc/grpc-js';
import t from 'tap';
import { loadXds, startGrpcBackend, which } from '../support/grpc-xds.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout } from '../support/shop.js';

/** The public gRPC-xDS client, as an application would use it: `xds:///checkout`, and our control plane behind it. */

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
