import t from 'tap';
import { ANNOTATIONS, findAnnotation } from '../../../../src/import-ingress/annotation-table.js';
import type { Imported } from '../../../../src/import-ingress/import-ingress.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { canary, importObjects, ingress, slice } from '../../../support/ingress/manifests.js';
import { MAPPINGS } from '../../../support/ingress/mappings.js';
import type { Annotations } from '../../../support/ingress/rule-cases.js';

const PODS = [slice('p', '10.0.1.1:80'), slice('c', '10.0.2.1:80')];

function imported(primary: Annotations, rules?: Annotations): Imported {
  const objects = [ingress('p', { annotations: primary }), ...(rules ? [canary('c', rules)] : []), ...PODS];
  const result = importObjects(objects);
  for (const service of result.services) parseMeshService(service);
  return result;
}

function specOf(primary: Annotations, rules?: Annotations) {
  const [service] = imported(primary, rules).services;
  if (service === undefined) throw new Error('nothing was imported');
  return service.spec;
}

function outcomeOf({ report }: Imported, field: string): string | undefined {
  return report.findings.find((finding) => finding.field === field)?.outcome;
}

t.test('every annotation is in the table once', async (t) => {
  const names = ANNOTATIONS.flatMap((row) => row.names);
  t.equal(new Set(names).size, names.length);
  for (const { note, outcome, becomes } of ANNOTATIONS) {
    t.ok(note.length > 0);
    if (outcome === 'none') t.equal(becomes, '');
  }
});

t.test('the table has every annotation of canaries and affinity', async (t) => {
  const details =
    'name path domain max-age expires samesite conditional-samesite-none secure change-on-failure';
  const rules = [
    '',
    '-by-header',
    '-by-header-value',
    '-by-header-pattern',
    '-by-cookie',
    '-weight',
    '-weight-total',
  ];
  for (const name of [
    ...rules.map((rule) => `canary${rule}`),
    ...['affinity', 'affinity-mode', 'affinity-canary-behavior'],
    ...details.split(' ').map((detail) => `session-cookie-${detail}`),
  ])
    t.ok(findAnnotation(name), name);
});

for (const { name, primary = {}, rules, spec, outcome } of MAPPINGS) {
  const given = JSON.stringify({ ...primary, ...rules });
  t.test(`${name}: ${given} is reported as "${outcome}"`, async (t) => {
    const result = imported(primary, rules);
    t.same(result.report.refused, []);
    t.match(result.services[0]?.spec, spec);
    t.equal(outcomeOf(result, name), outcome);
  });
}

t.test('every annotation and field of an Ingress is in the report, and bookkeeping is not', async (t) => {
  const annotations = Object.fromEntries(
    ANNOTATIONS.flatMap(({ names }) => names).map((name) => [name, '1']),
  );
  const object = ingress('p', {
    annotations: { ...annotations, canary: 'false', 'backend-protocol': 'HTTP' },
  }) as {
    metadata: { annotations: Record<string, string> };
    spec: object;
  };
  for (const rule of Object.keys(object.metadata.annotations).filter((name) => name.includes('/canary-')))
    delete object.metadata.annotations[rule];
  object.metadata.annotations['kubectl.kubernetes.io/last-applied-configuration'] = '{}';
  object.metadata.annotations['example.com/other'] = 'x';
  Object.assign(object.spec, { ingressClassName: 'nginx', tls: [], novelty: 1 });
  const { report } = importObjects([object, ...PODS]);
  const said = new Set([
    ...report.findings.map(({ field }) => field),
    ...report.refused.map(({ path }) => String(path.at(-1)).replace('nginx.ingress.kubernetes.io/', '')),
  ]);
  for (const key of Object.keys(object.metadata.annotations)) {
    const name = key.replace('nginx.ingress.kubernetes.io/', '');
    t.equal(said.has(name), !name.startsWith('kubectl.'), name);
  }
  for (const field of ['spec.ingressClassName', 'spec.tls', 'spec.novelty', 'spec.rules[0].host'])
    t.ok(said.has(field), field);
});

t.test('on a canary, what ingress-nginx takes from the primary has no effect', async (t) => {
  const result = imported(
    { 'proxy-read-timeout': '60' },
    { 'canary-weight': '5', 'proxy-read-timeout': '10', affinity: 'cookie', 'load-balance': 'ewma' },
  );
  const [service] = result.services;
  t.match(service?.spec, { affinity: undefined, loadBalancer: undefined, routes: [{ idleTimeout: '1m' }] });
  const ofCanary = result.report.findings.filter(({ object }) => object === 'Ingress default/c');
  const outcomes = Object.fromEntries(ofCanary.map(({ field, outcome }) => [field, outcome]));
  t.match(outcomes, { 'proxy-read-timeout': 'exact', affinity: 'exact', 'load-balance': 'changes' });
});

t.test('a label route keeps the settings of its path', async (t) => {
  const { routes = [] } = specOf({ 'proxy-read-timeout': '60' }, { 'canary-by-header': 'h' });
  t.match(
    routes.map(({ name, idleTimeout }) => [name, idleTimeout]),
    [
      ['header-always', '1m'],
      ['header-never', '1m'],
      ['default', '1m'],
    ],
  );
});

t.test('a gRPC backend is imported as gRPC or not at all', async (t) => {
  const { services, report } = importObjects([
    ingress('p', { annotations: { 'backend-protocol': 'GRPC' } }),
    ...PODS,
  ]);
  if (services.length > 0) t.equal(services[0]?.spec.protocol, 'grpc');
  else t.match(report.refused[0]?.message, /"grpc" is not implemented yet/);
});
