import t from 'tap';
import { ClusterView } from '../../../../../control-plane/source/kubernetes/cluster-view.js';
import { resolveService } from '../../../../../control-plane/source/kubernetes/resolve.js';
import { parseMeshService } from '../../../../../src/model/mesh-service.js';
import {
  kubeMeshService,
  kubePod,
  kubeService,
  kubeSlice,
  type SliceEndpoint,
} from '../../../../support/kube-objects.js';

const READY = { ready: true, serving: true, terminating: false };
const NOT_READY = { ready: false, serving: false, terminating: false };
const ENDING = { ready: false, serving: true, terminating: true };
const GONE = { ready: false, serving: false, terminating: true };

interface Case {
  readonly title: string;
  readonly service?: object | null;
  readonly slices?: readonly (readonly SliceEndpoint[])[];
  /** For each slice. */
  readonly slice?: readonly object[];
  readonly pods?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly versions?: readonly object[];
  readonly port?: number;
  /** `release address:port status zone`. */
  readonly found: readonly string[];
  readonly told?: readonly RegExp[];
}

const ONE = [[{ ip: '10.0.0.1' }]];
const CASES: readonly Case[] = [
  { title: 'an endpoint that is ready is healthy', slices: ONE, found: ['all 10.0.0.1:80 healthy'] },
  {
    title: 'conditions that are absent mean ready',
    slices: [[{ ip: '10.0.0.1', conditions: {} }]],
    found: ['all 10.0.0.1:80 healthy'],
  },
  {
    title: 'ready, serving and terminating become three states, and what no longer serves is left out',
    slices: [
      [
        { ip: '10.0.0.1', conditions: READY, zone: 'a' },
        { ip: '10.0.0.2', conditions: NOT_READY },
        { ip: '10.0.0.3', conditions: ENDING, zone: 'b' },
        { ip: '10.0.0.4', conditions: GONE },
      ],
    ],
    found: ['all 10.0.0.1:80 healthy a', 'all 10.0.0.2:80 unhealthy', 'all 10.0.0.3:80 draining b'],
  },
  {
    title: 'where nothing is ready, pods that terminate and still serve take requests',
    slices: [
      [
        { ip: '10.0.0.3', conditions: ENDING },
        { ip: '10.0.0.2', conditions: NOT_READY },
      ],
    ],
    found: ['all 10.0.0.3:80 healthy', 'all 10.0.0.2:80 unhealthy'],
  },
  {
    title: 'several slices of one Service are one list',
    slices: [[{ ip: '10.0.0.1' }], [{ ip: '10.0.0.2' }]],
    found: ['all 10.0.0.1:80 healthy', 'all 10.0.0.2:80 healthy'],
  },
  {
    title: 'of a dual-stack Service, the addresses of its first family count',
    service: { ipFamilies: ['IPv6', 'IPv4'] },
    slices: [[{ ip: '10.0.0.1' }], [{ ip: 'fd00::1' }]],
    slice: [{}, { addressType: 'IPv6' }],
    found: ['all fd00::1:80 healthy'],
  },
  {
    title: 'the other family counts where the first has no endpoint',
    service: { ipFamilies: ['IPv6', 'IPv4'] },
    slices: ONE,
    found: ['all 10.0.0.1:80 healthy'],
  },
  {
    title: 'of several ports, the one that callers dial counts, by the name that slices give it',
    service: {
      ports: [
        { name: 'admin', port: 9090, targetPort: 'admin' },
        { name: 'http', port: 8080, targetPort: 'web' },
      ],
    },
    slices: ONE,
    slice: [
      {
        ports: [
          { name: 'admin', port: 9191 },
          { name: 'http', port: 3000 },
        ],
      },
    ],
    found: ['all 10.0.0.1:3000 healthy'],
  },
  {
    title: 'the only port of a Service counts, whatever callers dial',
    service: { ports: [{ port: 80 }] },
    slices: ONE,
    found: ['all 10.0.0.1:80 healthy'],
  },
  {
    title: 'a port that the Service does not have is told, with those that it has',
    service: {
      ports: [
        { name: 'a', port: 1 },
        { name: 'b', port: 2, protocol: 'UDP' },
        { name: 'c', port: 3 },
      ],
    },
    slices: ONE,
    found: [],
    told: [
      /^cart\.shop: spec\.versions\[0\]\.service: Service shop\/cart has no TCP port 8080 \(spec\.port\); it has 1\/TCP, 2\/UDP, 3\/TCP$/,
    ],
  },
  {
    title: 'a Service that is not there is told',
    service: null,
    found: [],
    told: [/^cart\.shop: spec\.versions\[0\]\.service: Service shop\/cart does not exist$/],
  },
  {
    title: 'an ExternalName is told, with what to write instead',
    service: { type: 'ExternalName', clusterIP: undefined },
    found: [],
    told: [/is an ExternalName, which has no endpoints; use dns: HOST:PORT/],
  },
  {
    title: 'a headless Service has endpoints as any other',
    service: { clusterIP: 'None' },
    slices: ONE,
    found: ['all 10.0.0.1:80 healthy'],
  },
  {
    title: 'a Service without endpoints is told',
    slices: [],
    found: [],
    told: [/Service shop\/cart has no endpoints/],
  },
  {
    title: 'endpoints without an address stay out with the checks of live endpoints, others stay in',
    slices: [[{ ip: '10.0.0.1' }]],
    slice: [{ ports: [{ name: 'other', port: 80 }] }],
    found: [],
    told: [/has no usable endpoint: its pods are terminating, or have no such port/],
  },
  {
    title: 'a selector takes the pods of the Service with these labels',
    versions: [
      { name: 'v1', selector: { version: 'v1' } },
      { name: 'v2', selector: { version: 'v2', 'pod-template-hash': 'abc' } },
    ],
    slices: [
      [
        { ip: '10.0.0.1', pod: 'a' },
        { ip: '10.0.0.2', pod: 'b' },
        { ip: '10.0.0.3', pod: 'c' },
      ],
    ],
    pods: { a: { version: 'v1' }, b: { version: 'v2', 'pod-template-hash': 'abc' }, c: { version: 'v2' } },
    found: ['v1 10.0.0.1:80 healthy', 'v2 10.0.0.2:80 healthy'],
  },
  {
    title: 'labels that no pod has are told',
    versions: [{ name: 'v1', selector: { version: 'v1', app: 'cart' } }],
    slices: [[{ ip: '10.0.0.1', pod: 'a' }]],
    pods: { a: { app: 'cart' } },
    found: [],
    told: [/spec\.versions\[0\]\.selector: no pod of Service shop\/cart has the labels version=v1,app=cart/],
  },
  {
    title: 'a pod that two selectors take belongs to the first, and that is told',
    versions: [
      { name: 'v1', selector: { app: 'cart' } },
      { name: 'v2', selector: { version: 'v2' } },
    ],
    slices: [[{ ip: '10.0.0.1', pod: 'a' }]],
    pods: { a: { app: 'cart', version: 'v2' } },
    found: ['v1 10.0.0.1:80 healthy'],
    told: [/spec\.versions\[1\]: the pod 10\.0\.0\.1 belongs to release v1 too/],
  },
  {
    title: 'internalTrafficPolicy Local is told',
    service: { internalTrafficPolicy: 'Local' },
    slices: ONE,
    found: ['all 10.0.0.1:80 healthy'],
    told: [/internalTrafficPolicy Local; Roost uses the endpoints of all nodes/],
  },
];

for (const { title, service = {}, slices = [], slice = [], pods = {}, versions, found, told = [] } of CASES)
  t.test(title, async (t) => {
    const cluster = new ClusterView(() => {});
    if (service !== null) cluster.putService('shop/cart', kubeService('shop/cart', service));
    slices.forEach((endpoints, i) => {
      cluster.putSlice(`shop/cart-${i}`, kubeSlice('shop/cart', endpoints, slice[i]));
    });
    for (const [name, labels] of Object.entries(pods))
      cluster.putPod(`shop/${name}`, kubePod(`shop/${name}`, labels));
    const spec = { port: 8080, versions: versions ?? [{ name: 'all', service: 'cart' }] };
    const { releases, conditions } = resolveService(
      parseMeshService(kubeMeshService('shop/cart', spec)),
      cluster,
    );
    const lines = releases.flatMap(({ release, endpoints }) =>
      endpoints.map(({ address, port, status, zone }) =>
        [release, `${address}:${port}`, status, zone].join(' ').trim(),
      ),
    );
    t.strictSame(lines, found);
    t.equal(conditions.length, told.length, conditions.join('\n'));
    told.forEach((pattern, i) => {
      t.match(conditions[i], pattern);
    });
  });
