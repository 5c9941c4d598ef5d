import fc from 'fast-check';
import t from 'tap';
import type { StatusResponse } from '../../src/api/config-service.js';
import { adsBootstrap, ENVOY, startEnvoy } from '../support/envoy.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { acceptedPart, randomDocument } from '../support/random-documents.js';

/** An Envoy says the whole resource before what is wrong with it. */
function reasonIn(rejection: string): string {
  return rejection.length < 1500 ? rejection : `${rejection.slice(0, 500)} … ${rejection.slice(-1000)}`;
}

/** Services with everything that a document may say, as many as an Envoy takes in a moment. */
const SERVICES = Number(process.env.SERVICES ?? 40);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 30));

t.test('whatever the schema accepts, an Envoy accepts', { skip: ENVOY.skip, timeout: 120_000 }, async (t) => {
  const names = Array.from({ length: SERVICES }, (_, i) => `s${i}`);
  t.comment(`SEED=${SEED}`);
  const documents = names.flatMap((name, i) => {
    const [random] = fc.sample(randomDocument(name), { numRuns: 1, seed: SEED + i });
    return acceptedPart(random as object)?.document ?? [];
  });
  const mesh = await TestMesh.start(t, documents);
  await startEnvoy(
    t,
    adsBootstrap({
      controlPlane: mesh.controlPlane.grpcAddress,
      namespace: 'shop',
      routes: names.map((name) => `shop/${name}`),
    }),
  );
  const status = () => mesh.client.call<StatusResponse>('Status', {});
  await eventually('the envoy has answered', async () => {
    const { clients } = await status();
    return clients[0]?.types.every(({ unanswered }) => unanswered === 0) === true;
  });
  const rejections = (await status()).clients.flatMap(({ types }) =>
    types.flatMap(({ type, rejection }) => (rejection === null ? [] : [`${type}: ${rejection.reason}`])),
  );
  t.same(rejections.map(reasonIn), []);
});
