import fc from 'fast-check';
import t from 'tap';
import type { Imported } from '../../../../src/import-ingress/import-ingress.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { formatLocated } from '../../../../src/model/yaml-source.js';
import { canary, importObjects, importYaml, ingress } from '../../../support/ingress/manifests.js';

/** What is wrong is named with file, line and path, and costs nothing but itself. */

const refusedBy = ({ report }: Imported) => report.refused.map(formatLocated);
const keysOf = ({ report }: Imported) => report.services.map(({ key }) => key);

t.test('each broken part of a file is named, and the rest is imported', async (t) => {
  const imported = importYaml(
    `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: broken, annotations: [1] }
spec: { rules: 3 }
---
just text
---
apiVersion: v1
kind: List
items: 7
---
apiVersion: v1
kind: List
items: [null, { apiVersion: networking.k8s.io/v1, kind: Ingress }]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: good }
spec:
  rules:
    - http: { paths: [{ path: relative, backend: { service: { name: a, port: { number: 80 } } } }] }
    - http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: b, port: { number: 80 } } } }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: port }
spec: { defaultBackend: { service: { name: c, port: { number: 99999 } } } }
`,
  );
  t.same(refusedBy(imported), [
    'ingress.yaml:3:27: metadata.annotations: Ingress default/broken: must be a map; found a list',
    'ingress.yaml:4:9: spec.rules: Ingress default/broken: must be a list; found 3',
    'ingress.yaml:6:1: is not a Kubernetes object: it has no kind',
    'ingress.yaml:10:1: items: List has no list of items',
    'ingress.yaml:14:9: items[0]: is not a Kubernetes object: it has no kind',
    'ingress.yaml:14:15: items[1].metadata: Ingress default/(no name): is required: a map',
    'ingress.yaml:21:25: spec.rules[0].http.paths[0].path: Ingress default/good: the path "relative" does not start with "/"',
    'ingress.yaml:27:55: spec.defaultBackend.service.port.number: Ingress default/port: 99999 must be a port number, 1 to 65535',
  ]);
  t.same(keysOf(imported), ['default/b']);
});

t.test('broken YAML is named by line, and documents before it are imported', async (t) => {
  const good = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: good }
spec: { defaultBackend: { service: { name: b, port: { number: 80 } } } }
`;
  const imported = importYaml(`${good}---\na: [b\n`);
  t.match(refusedBy(imported), [/^ingress\.yaml:7:1: is not valid YAML/]);
  t.same(keysOf(imported), ['default/b']);
});

t.test('objects of other kinds are ignored by name', async (t) => {
  const { report } = importObjects([
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' } },
    { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'v' } },
    { apiVersion: 'example.com/v1', kind: 'Ingress', metadata: { name: 'foreign' } },
  ]);
  t.same(report.refused, []);
  t.match(
    report.ignored.map(({ object, line, reason }) => `${line} ${object}: ${reason}`),
    [/^1 ConfigMap default\/settings/, /^6 VirtualService/, /^11 Ingress default\/foreign.*example\.com\/v1/],
  );
});

t.test('canaries that cannot be are named (ingress-nginx cases 42 to 51)', async (t) => {
  const both = importObjects([ingress('p', { host: '' }), canary('c', {}, { host: '' })]);
  t.same(refusedBy(both), [], '42: both catch every host');
  t.match(both.services[0]?.spec.versions, [{ name: 'p' }, { name: 'c' }]);

  const lone = importObjects([canary('c', { 'canary-weight': '5' }, { host: '' })]);
  t.match(refusedBy(lone), [/is a canary without a primary: no other Ingress has \*\/info/], '43');

  const elsewhere = importObjects([ingress('p'), canary('c', {}, { host: 'bar.example' })]);
  t.match(refusedBy(elsewhere), [/a canary without a primary: no other Ingress has bar\.example/], '44');
  t.same(keysOf(elsewhere), ['default/p']);

  const missing = importObjects([
    ingress('p', { rules: [{ path: '/a' }, { path: '/b' }] }),
    canary('gone', {}, { rules: [{ path: '/a' }, { path: '/b' }] }),
  ]);
  t.match(missing.services[0]?.spec.versions, [{ name: 'p' }, { name: 'gone' }], '45: two paths');

  const itself = importObjects([ingress('p'), canary('p', {}, { name: 'canary' })]);
  t.match(refusedBy(itself), [/a canary needs a Service of its own/], '47');

  const swapped = importObjects([
    ingress('a', { rules: [{ path: '/a' }, { path: '/b', service: 'b' }] }),
    canary('b', {}, { rules: [{ path: '/a' }, { path: '/b', service: 'a' }] }),
  ]);
  t.same(keysOf(swapped), ['default/a', 'default/b'], '48: each service has its own canary');

  for (const rule of ['canary-weight', 'canary-by-header', 'canary-by-cookie']) {
    const mistaken = importObjects([ingress('p', { annotations: { canary: 'false', [rule]: '5' } })]);
    t.match(refusedBy(mistaken), [/needs canary: "true" beside it/], `49: ${rule}`);
    t.same(mistaken.services, []);
  }

  const overlapping = importObjects([ingress('p'), ingress('q')]);
  t.match(
    refusedBy(overlapping),
    [/foo\.example\/info \(Prefix\) is a path of Ingress default\/p already/],
    '50',
  );
  t.same(refusedBy(importObjects([ingress('p'), canary('q', {})])), [], '51');
});

/** Values that mean nothing, and what the report says of each. */
const NONSENSE: readonly (readonly [name: string, value: string, says: RegExp, onCanary?: true])[] = [
  ['canary-weight', 'many', /"many" is not a whole number/, true],
  ['canary-weight', '101', /101 is not between 0 and 100/, true],
  ['canary-weight', '-1', /-1 is not between 0 and 100/, true],
  ['canary-by-header', 'no header', /is not a header name/, true],
  ['canary-by-cookie', 'no;cookie', /is not a cookie name/, true],
  ['affinity', 'ip', /"ip" is not an affinity of ingress-nginx/],
  ['affinity-mode', 'eternal', /neither balanced nor persistent/],
  ['session-cookie-name', 'a=b', /is not a cookie name/],
  ['session-cookie-path', 'relative', /is not a path of a cookie/],
  ['session-cookie-domain', 'a b', /is not a host name/],
  ['session-cookie-max-age', '1h', /"1h" is not a whole number/],
  ['session-cookie-max-age', '0', /drop the cookie at once/],
  ['session-cookie-samesite', 'Sometimes', /is none of Lax, Strict, None/],
  ['session-cookie-secure', 'perhaps', /neither true nor false/],
  ['load-balance', 'constructor', /"constructor" is none of round_robin/],
  ['proxy-read-timeout', '60s', /"60s" is not a whole number/],
  ['proxy-connect-timeout', '0', /0 is not a timeout/],
  ['proxy-next-upstream', 'error __proto__', /__proto__: no condition of nginx/],
  ['backend-protocol', 'FCGI', /Roost does not speak FCGI/],
];

for (const [name, value, says, onCanary] of NONSENSE) {
  t.test(`${name}: ${value}: is named at its annotation`, async (t) => {
    const annotations = { affinity: 'cookie', [name]: value };
    const objects = onCanary
      ? [ingress('p'), canary('c', { [name]: value })]
      : [ingress('p', { annotations })];
    const imported = importObjects(objects);
    t.match(refusedBy(imported), [says]);
    const [problem] = imported.report.refused;
    t.same(problem?.path, ['metadata', 'annotations', `nginx.ingress.kubernetes.io/${name}`]);
    for (const service of imported.services) parseMeshService(service);
  });
}

t.test('times beyond what a sidecar waits, or a cookie lasts, become the longest', async (t) => {
  const annotations = {
    affinity: 'cookie',
    'session-cookie-max-age': '99999999999',
    'proxy-read-timeout': '4294967296',
    'proxy-connect-timeout': '2147484',
  };
  const imported = importObjects([ingress('p', { annotations })]);
  t.same(refusedBy(imported), []);
  const { spec } = parseMeshService(imported.services[0]);
  t.equal(spec.affinity?.key[0]?.cookie?.ttl, 438_000 * 3_600_000);
  t.equal(spec.routes[0]?.idleTimeout, 576 * 3_600_000);
  t.equal(spec.timeouts?.connect, 576 * 3_600_000);
});

t.test('hostile sizes cost no more than themselves', async (t) => {
  const long = 'x'.repeat(1_000_000);
  const annotations = { affinity: 'cookie', 'session-cookie-name': `${long};`, [`${'y'.repeat(70)}`]: long };
  const { report } = importObjects([ingress('p', { annotations })]);
  t.ok(JSON.stringify(report).length < 20_000, 'a value is quoted by its beginning');

  t.match(refusedBy(importYaml(' '.repeat(16 * 1024 * 1024 + 1))), [
    /^ingress\.yaml:1:1: the file is larger/,
  ]);
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (const [i, name] of [...'bcdefgh'].entries())
    bomb.push(`${name}: &${name} [${`*${'abcdefgh'[i]},`.repeat(10)}]`);
  t.match(refusedBy(importYaml(bomb.join('\n'))), [/is not valid YAML: Excessive alias count/]);
});

t.test('whatever an Ingress has in it, the import ends with a report', async () => {
  const annotation = fc.tuple(
    fc.constantFrom(
      ...['canary', 'canary-weight', 'canary-weight-total', 'canary-by-header', 'canary-by-header-pattern'],
      ...[
        'affinity',
        'affinity-mode',
        'session-cookie-path',
        'upstream-hash-by',
        'server-alias',
        'use-regex',
      ],
      ...['rewrite-target', 'permanent-redirect', 'proxy-next-upstream', 'proxy-next-upstream-tries'],
    ),
    fc.oneof(fc.constantFrom('true', 'cookie', 'persistent', '$1', '/', '0', '50'), fc.string()),
  );
  const rule = fc.record({
    path: fc.oneof(fc.constantFrom('/', '/a', '/a(/|$)(.*)'), fc.string()),
    pathType: fc.constantFrom('Exact', 'Prefix', 'ImplementationSpecific', 'Other'),
    service: fc.constantFrom('p', 'c', '', 'UPPER'),
    port: fc.oneof(fc.constantFrom(80, 'http'), fc.integer()),
  });
  const shape = fc
    .record({
      annotations: fc.array(annotation, { maxLength: 6 }).map(Object.fromEntries),
      host: fc.constantFrom('', 'foo.example', '*.example', 'p.default', 'no host'),
      rules: fc.array(rule, { maxLength: 3 }),
    })
    .map((fields) => ingress('p', fields));
  fc.assert(
    fc.property(fc.array(fc.oneof(shape, fc.object()), { maxLength: 4 }), (objects) => {
      for (const service of importObjects(objects).services) parseMeshService(service);
    }),
    { numRuns: 200 },
  );
});
