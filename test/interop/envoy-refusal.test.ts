import t from 'tap';
import type { StatusResponse } from '../../src/api/config-service.js';
import { adsBootstrap, ENVOY, startEnvoy } from '../support/envoy.js';
import { FastCaller, startBackends } from '../support/fast-traffic.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

/**
 * An Envoy refuses a whole response of routes for one resource in it. Here it is one with its own idea of how large
 * a regular expression may be, whose bootstrap does not say what `roost bootstrap envoy` says.
 */
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const REFUSED = 'c';

t.test('what an Envoy refuses holds nothing else back', { skip: ENVOY.skip }, async (t) => {
  const backends = await startBackends(t, { v1: 1 });
  const address = backends.get('v1')?.[0]?.address as string;
  const service = (name: string) => ({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace: 'shop' },
    spec: {
      port: 80,
      versions: [{ name: 'v1', endpoints: [{ address }] }],
      routes: [
        ...(name === REFUSED
          ? [
              {
                name: 'large',
                match: [{ path: { regex: '/[a-z]{300}' } }],
                split: [{ version: 'v1', weight: 1 }],
              },
            ]
          : []),
        { name: 'all', split: [{ version: 'v1', weight: 1 }] },
      ],
    },
  });
  const mesh = await TestMesh.start(t, NAMES.map(service));
  const { layered_runtime: _, ...bootstrap } = adsBootstrap({
    controlPlane: mesh.controlPlane.grpcAddress,
    namespace: 'shop',
    routes: NAMES.map((name) => `shop/${name}`),
  }) as Record<string, unknown>;
  const { listeners } = await startEnvoy(t, bootstrap);
  for (const name of NAMES) {
    const caller = new FastCaller(t, listeners[`shop/${name}`] as string);
    const call = async () => (await caller.all([{ host: `${name}.shop` }]))[0]?.status;
    if (name === REFUSED) t.equal(await call(), 404, 'an Envoy without routes knows no host');
    else await eventually(`${name} is in force`, async () => (await call()) === 200);
  }
  const { clients } = await mesh.client.call<StatusResponse>('Status', {});
  const rejections = clients.flatMap(({ types }) => types.flatMap(({ rejection }) => rejection ?? []));
  t.match(rejections, [{ reason: /max program size/ }]);
});
