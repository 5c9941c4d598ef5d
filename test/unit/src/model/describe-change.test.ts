import t from 'tap';
import { describeChange } from '../../../../src/model/describe-change.js';
import type { MeshServiceInput } from '../../../../src/model/schema.js';

type Spec = Partial<MeshServiceInput['spec']>;
const VERSIONS = [
  { name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] },
  { name: 'v2', endpoints: [{ address: '10.0.0.2:80' }] },
];
const split = (weights: Readonly<Record<string, number>>) =>
  Object.entries(weights).map(([version, weight]) => ({ version, weight }));
const service = (spec: Spec = {}) =>
  ({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'a' },
    spec: { port: 80, versions: VERSIONS, ...spec },
  }) as MeshServiceInput;
const routed = (weights: Readonly<Record<string, number>>, more: object = {}) =>
  service({ routes: [{ name: 'default', split: split(weights), ...more }] });
const AUTO = { key: [{ header: 'x-user-id' }], salt: 'auto' };
const qa = { name: 'qa', match: [{ path: { prefix: '/qa' } }], split: split({ v2: 1 }) };

const CASES: readonly (readonly [
  string,
  MeshServiceInput | undefined,
  MeshServiceInput | undefined,
  string[],
])[] = [
  ['nothing', service(), service(), []],
  [
    'a split of a service without routes',
    service(),
    routed({ v1: 90, v2: 10 }),
    ['split v1=100 → v1=90 v2=10'],
  ],
  ['a lone release has 100', routed({ v1: 3 }), routed({ v1: 0, v2: 7 }), ['split v1=100 → v1=0 v2=100']],
  [
    'a rollout with a sample of its own',
    service({ affinity: AUTO }),
    service({ affinity: AUTO, routes: [{ name: 'default', split: split({ v1: 90, v2: 10 }) }] }),
    ['split v1=100 → v1=90 v2=10', 'salt auto: a rollout begins, with its own sample of sessions'],
  ],
  [
    'a promotion',
    routed({ v1: 90, v2: 10 }),
    service({ stable: 'v2', routes: [{ name: 'default', split: split({ v2: 1 }) }] }),
    ['stable v1 → v2', 'split v1=90 v2=10 → v2=100'],
  ],
  [
    'fields of a route',
    routed({ v1: 1 }, { timeout: '2s', retries: { attempts: 1 } }),
    routed({ v1: 1 }, { timeout: '3s', retries: { attempts: 2 } }),
    ['timeout 2s → 3s', 'retries.attempts 1 → 2'],
  ],
  [
    'routes come and go',
    routed({ v1: 1 }),
    service({ routes: [qa, { name: 'default', split: split({ v1: 1 }) }] }),
    ['route qa added'],
  ],
  [
    'a route other than the default is named',
    service({ routes: [qa, { name: 'rest', split: split({ v1: 1 }) }] }),
    service({
      routes: [
        { ...qa, split: split({ v1: 1 }) },
        { name: 'rest', split: split({ v1: 1 }) },
      ],
    }),
    ['route qa: split v2=100 → v1=100'],
  ],
  [
    'the order of routes',
    service({ routes: [qa, { name: 'default', split: split({ v1: 1 }) }] }),
    service({ routes: [{ name: 'default', split: split({ v1: 1 }) }, qa] }),
    ['routes in another order'],
  ],
  [
    'versions and endpoints',
    service(),
    service({
      versions: [
        { name: 'v1', endpoints: [{ address: '10.0.0.1:80' }, { address: '10.0.0.9:80' }] },
        { name: 'v3', dns: 'v3:80' },
      ],
    }),
    ['version v1: 1 → 2 endpoints (1 added, 0 removed)', 'version v3 added', 'version v2 removed'],
  ],
  [
    'an endpoint with another weight',
    service(),
    service({
      versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80', weight: 2 }] }, VERSIONS[1]] as never,
    }),
    ['version v1: endpoints changed'],
  ],
  [
    'anything else',
    service(),
    service({ port: 81, affinity: { key: [{ header: 'x-user' }], version: 'persistent' } }),
    ['port 80 → 81', 'affinity added'],
  ],
  ['a new service', undefined, routed({ v1: 90, v2: 10 }), ['created', 'split v1=90 v2=10']],
  ['one that goes', service(), undefined, ['deleted']],
];

for (const [what, before, after, expected] of CASES)
  t.test(what, async (t) => t.same(describeChange(before, after), expected));

t.test('a long change is told in part, with how much is left', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => ({ name: `n${i}`, dns: 'x:80' }));
  const lines = describeChange(service(), service({ versions: [...VERSIONS, ...many] }));
  t.equal(lines.length, 12);
  t.same([lines[0], lines.at(-1)], ['version n0 added', 'and 29 more']);
});
