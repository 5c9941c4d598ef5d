import t from 'tap';
import { serviceView } from '../../../../../control-plane/source/kubernetes/objects.js';
import { plainService } from '../../../../../control-plane/source/kubernetes/plain-service.js';
import { kubeService } from '../../../../support/kube-objects.js';

const MESHED: readonly (readonly [
  title: string,
  ports: readonly object[],
  port: number,
  protocol: string,
])[] = [
  ['a port that says nothing is looked into', [{ port: 8080 }], 8080, 'http'],
  ['appProtocol is heeded', [{ port: 50_051, appProtocol: 'kubernetes.io/h2c' }], 50_051, 'http2'],
  [
    'appProtocol wins over the name of the port',
    [{ port: 1, name: 'http-x', appProtocol: 'grpc' }],
    1,
    'grpc',
  ],
  ['the name of the port is heeded', [{ port: 6379, name: 'redis' }], 6379, 'tcp'],
  [
    'of several ports, the one that speaks HTTP',
    [
      { port: 1, name: 'a' },
      { port: 2, name: 'http-web' },
    ],
    2,
    'http',
  ],
  [
    'of several ports, one that may speak HTTP',
    [
      { port: 1, name: 'mysql' },
      { port: 2, name: 'x' },
    ],
    2,
    'http',
  ],
  ['ports of UDP do not count', [{ port: 53, protocol: 'UDP' }, { port: 54 }], 54, 'http'],
];

for (const [title, ports, port, protocol] of MESHED)
  t.test(title, async (t) => {
    const plain = plainService(serviceView(kubeService('shop/cart', { ports })));
    t.match(plain, {
      document: {
        metadata: { name: 'cart', namespace: 'shop' },
        spec: { port, protocol, versions: [{ name: 'all', service: 'cart' }] },
      },
    });
  });

const LEFT_ALONE: readonly (readonly [title: string, key: string, spec: object, reason: RegExp])[] = [
  ['an ExternalName', 'shop/cart', { type: 'ExternalName' }, /ExternalName/],
  ['a headless Service', 'shop/cart', { clusterIP: 'None' }, /headless/],
  ['the API server', 'default/kubernetes', {}, /API server/],
  ['internalTrafficPolicy Local', 'shop/cart', { internalTrafficPolicy: 'Local' }, /Local/],
  ['a Service of UDP', 'shop/cart', { ports: [{ port: 53, protocol: 'UDP' }] }, /no TCP port/],
];

for (const [title, key, spec, reason] of LEFT_ALONE)
  t.test(`${title} is left alone, with the reason`, async (t) => {
    t.match(plainService(serviceView(kubeService(key, spec))), { reason });
  });

t.test('objects whose members have other types count as empty', async (t) => {
  const hostile = {
    metadata: { name: 'a', namespace: 7 },
    spec: { ports: 'x', clusterIPs: [1, null], type: [] },
  };
  t.match(plainService(serviceView(hostile)), { reason: /headless/ });
});
