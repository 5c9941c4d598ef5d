import fc from 'fast-check';
import t from 'tap';
import { parse } from 'yaml';
import { meshServiceCrd } from '../../../../src/kubernetes/mesh-service-crd.js';
import type { StructuralSchema } from '../../../../src/kubernetes/structural-schema.js';
import { crdFile } from '../../../../src/kubernetes/write-manifests.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { readFiles } from '../../../../src/model/read-files.js';
import { PAGES, ROOT, read } from '../../../support/documentation.js';
import { randomDocument } from '../../../support/random-documents.js';

interface Crd {
  readonly spec: {
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: StructuralSchema } }[];
  };
}

const [version] = (meshServiceCrd() as Crd).spec.versions;
const schema = version?.schema.openAPIV3Schema as StructuralSchema;

t.test('the chart has the definition that the schema gives', async (t) => {
  t.equal(read('deploy/helm/roost/files/meshservice-crd.yaml'), crdFile(), 'run npm run manifests');
  t.same(parse(crdFile()), meshServiceCrd());
});

/** What a structural schema may consist of (apiextensions.k8s.io/v1, JSONSchemaProps). */
const KEYWORDS = [
  'type',
  'description',
  'format',
  'enum',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'pattern',
  'required',
  'properties',
  'items',
  'additionalProperties',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
];

function structuralProblems(node: StructuralSchema, path: string): string[] {
  const { type, properties = {}, items, additionalProperties, pattern } = node;
  const any = node['x-kubernetes-preserve-unknown-fields'] === true;
  return [
    ...Object.keys(node).flatMap((key) => (KEYWORDS.includes(key) ? [] : [`${path}: has ${key}`])),
    ...(type === undefined && !any ? [`${path}: has no type`] : []),
    ...(type === 'array' && items === undefined ? [`${path}: has no items`] : []),
    ...(node.properties && additionalProperties ? [`${path}: has properties and additionalProperties`] : []),
    ...(/\(\?[=!<]/.test(String(pattern ?? '')) ? [`${path}: looks ahead`] : []),
    ...Object.entries(properties).flatMap(([key, value]) => structuralProblems(value, `${path}.${key}`)),
    ...(items ? structuralProblems(items, `${path}[]`) : []),
    ...(additionalProperties ? structuralProblems(additionalProperties, `${path}{}`) : []),
    ...listKeyProblems(node, path),
  ];
}

/** A key of a list's entries must be required, or have a default. */
function listKeyProblems(node: StructuralSchema, path: string): string[] {
  const keys = (node['x-kubernetes-list-map-keys'] ?? []) as string[];
  const required = (node.items?.required ?? []) as string[];
  return keys.filter((key) => !required.includes(key)).map((key) => `${path}: key ${key} is not required`);
}

t.test('the schema is structural', async (t) => {
  t.same(structuralProblems(schema, 'root'), []);
});

/** What the API server says of a value, as far as a test needs it; a field that it would drop counts. */
function violations(value: unknown, node: StructuralSchema, path = ''): string[] {
  if (node.type === undefined) return [];
  const at = (problem: string) => [`${path}: ${problem}`];
  if (typeOf(value) !== node.type && !(node.type === 'number' && typeOf(value) === 'integer'))
    return at(`is ${typeOf(value)}, not ${node.type}`);
  if (node.enum && !(node.enum as unknown[]).includes(value)) return at('is not in the enum');
  if (typeof value === 'string') return stringViolations(value, node).flatMap(at);
  if (typeof value === 'number')
    return value < Number(node.minimum ?? value) || value > Number(node.maximum ?? value)
      ? at('out of bounds')
      : [];
  if (Array.isArray(value)) {
    const few =
      value.length < Number(node.minItems ?? 0) ||
      value.length > Number(node.maxItems ?? Number.POSITIVE_INFINITY);
    return [
      ...(few ? at('length') : []),
      ...value.flatMap((item, i) => violations(item, node.items ?? {}, `${path}[${i}]`)),
    ];
  }
  if (typeof value !== 'object' || value === null) return [];
  const missing = ((node.required ?? []) as string[]).filter((key) => !(key in value));
  return [
    ...missing.map((key) => `${path}: lacks ${key}`),
    ...Object.entries(value).flatMap(([key, member]) => {
      const known = node.properties?.[key] ?? node.additionalProperties;
      if (known) return violations(member, known, `${path}.${key}`);
      return node.properties && Object.keys(node.properties).length > 0 ? at(`drops ${key}`) : [];
    }),
  ];
}

function stringViolations(value: string, node: StructuralSchema): string[] {
  const { length } = [...value];
  const pattern = node.pattern as string | undefined;
  return [
    ...(length < Number(node.minLength ?? 0) || length > Number(node.maxLength ?? length) ? ['length'] : []),
    ...(pattern !== undefined && !new RegExp(pattern, 'u').test(value) ? [`does not match ${pattern}`] : []),
  ];
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function accepts(document: unknown): boolean {
  try {
    parseMeshService(document);
    return true;
  } catch {
    // Not a valid service: the API server may say what it likes.
    return false;
  }
}

t.test('the API server takes every example as it is, and drops nothing', async (t) => {
  const { documents } = readFiles([`${ROOT}/examples/shop/mesh`]);
  const inPages = PAGES.flatMap((page) =>
    [...read(page).matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]) => parseOrNothing(text)),
  );
  const services = [...documents.map(({ value }) => value), ...inPages].filter(accepts);
  t.ok(services.length >= 4);
  for (const service of services) t.same(violations(service, schema), []);
});

function parseOrNothing(text = ''): unknown {
  try {
    return parse(text);
  } catch {
    // Several documents, or a part of one: other tests read those.
    return undefined;
  }
}

t.test('the API server takes every document that roost apply takes', async () => {
  fc.assert(
    fc.property(
      randomDocument('random'),
      (document) => !accepts(document) || violations(document, schema).length === 0,
    ),
    { numRuns: 300 },
  );
});

t.test('what is plainly wrong is refused by the definition itself', async (t) => {
  const service = (spec: object) => ({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'a' },
    spec: { port: 80, versions: [{ name: 'v1', dns: 'a:80' }], ...spec },
  });
  t.same(violations(service({}), schema), []);
  for (const spec of [
    { port: 0 },
    { port: 'x' },
    { versions: [] },
    { versions: [{}] },
    { colour: 'red' },
    { protocol: 'udp' },
  ])
    t.ok(violations(service(spec), schema).length > 0, JSON.stringify(spec));
});

t.test('entries that fields belong to are named, so that server-side apply tracks each weight', async (t) => {
  const routes = schema.properties?.spec?.properties?.routes;
  t.same(routes?.['x-kubernetes-list-map-keys'], ['name']);
  t.same(routes?.items?.properties?.split?.['x-kubernetes-list-map-keys'], ['version']);
});
