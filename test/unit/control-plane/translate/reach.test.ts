import t from 'tap';
import { translateService } from '../../../../control-plane/translate/service.js';
import type { Grant } from '../../../../src/model/grant.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { decodeCluster } from '../../../../src/xds/cluster.js';
import { decodeAssignment } from '../../../../src/xds/endpoint.js';

const SERVICE = parseMeshService({
  apiVersion: 'roost.dev/v1alpha1',
  kind: 'MeshService',
  metadata: { name: 'cart', namespace: 'shop' },
  spec: {
    port: 80,
    versions: [
      { name: 'v1', endpoints: [{ address: '10.0.0.1:80' }, { address: '127.0.0.1:80' }] },
      { name: 'v2', dns: 'cart-v2:80' },
    ],
    routes: [{ name: 'default', split: [{ version: 'v1', weight: 1 }] }],
  },
});

function reachOf(granted: readonly string[] | undefined) {
  const grant: Grant | undefined = granted && { hosts: [], endpoints: granted, files: [] };
  const context = { pinSecret: Buffer.alloc(32), incarnation: () => '', grantOf: () => grant };
  const { shared } = translateService(SERVICE, context);
  const of = (kind: string) => shared.filter((resource) => resource.kind === kind);
  const confined = of('cluster').map(({ bytes }) => {
    const { confinement } = decodeCluster(bytes);
    return confinement && [confinement.namespace, ...confinement.approved];
  });
  const endpoints = of('endpoint').flatMap(({ bytes }) =>
    decodeAssignment(bytes).endpoints.map(({ address }) => address),
  );
  return { confined, endpoints };
}

t.test('no client is told of endpoints on its own machine that are not granted', async (t) => {
  const all = ['10.0.0.1:80', '127.0.0.1:80'];
  t.strictSame(reachOf(undefined), { confined: [undefined, undefined], endpoints: all }, 'nobody is asked');
  t.strictSame(reachOf([...all, 'cart-v2:80']), { confined: [undefined, undefined], endpoints: all });
  t.strictSame(reachOf([]), { confined: [['shop'], ['shop']], endpoints: ['10.0.0.1:80'] });
  t.strictSame(reachOf(['127.0.0.1:80']), { confined: [['shop', '127.0.0.1:80'], ['shop']], endpoints: all });
});
