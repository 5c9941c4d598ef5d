import { plainJsonSchema } from '../model/json-schema.js';
import { type StructuralSchema, toStructural } from './structural-schema.js';

/** Additions to the generated schema, by path; `[]` stands for the items of a list. */
type Additions = Readonly<Record<string, object>>;

/** Lists whose entries have names: server-side apply tracks who owns each entry, such as one release's weight. */
const namedBy = (key: string) => ({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] });

const ADDITIONS: Additions = {
  'spec.versions': { ...namedBy('name'), maxItems: 256 },
  'spec.versions[].name': { maxLength: 63 },
  'spec.stable': { maxLength: 63 },
  'spec.routes': namedBy('name'),
  'spec.routes[].split': namedBy('version'),
  spec: {
    'x-kubernetes-validations': [
      {
        rule: '!has(self.stable) || self.versions.exists(v, v.name == self.stable)',
        message: 'stable must be the name of a version',
        fieldPath: '.stable',
      },
    ],
  },
};

/** What the control plane reports; it may add to it. */
const STATUS: StructuralSchema = {
  type: 'object',
  'x-kubernetes-preserve-unknown-fields': true,
  properties: {
    observedGeneration: { type: 'integer', format: 'int64' },
    traffic: { type: 'string', description: 'shares of the default route, such as v1=90 v2=10' },
    conditions: {
      type: 'array',
      ...namedBy('type'),
      items: {
        type: 'object',
        required: ['type', 'status'],
        properties: {
          type: { type: 'string' },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          reason: { type: 'string' },
          message: { type: 'string' },
          observedGeneration: { type: 'integer', format: 'int64' },
          lastTransitionTime: { type: 'string', format: 'date-time' },
        },
      },
    },
  },
};

const COLUMNS = [
  { name: 'Stable', type: 'string', jsonPath: '.spec.stable' },
  { name: 'Traffic', type: 'string', jsonPath: '.status.traffic' },
  { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/** The CustomResourceDefinition of MeshService, made from the schema that validates files and the API. */
export function meshServiceCrd(): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: 'meshservices.roost.dev',
      annotations: { 'helm.sh/resource-policy': 'keep' },
    },
    spec: {
      group: 'roost.dev',
      scope: 'Namespaced',
      names: {
        kind: 'MeshService',
        listKind: 'MeshServiceList',
        plural: 'meshservices',
        singular: 'meshservice',
        shortNames: ['mesh'],
        categories: ['roost'],
      },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: COLUMNS,
          schema: { openAPIV3Schema: schemaOfObject() },
        },
      ],
    },
  };
}

/** How a version may find its endpoints: the members of which it has exactly one. */
const ENDPOINT_SOURCES = ['endpoints', 'dns', 'selector', 'service'];

/** Made of the members that the schema has, so that the rule follows it. */
function oneSource(version: StructuralSchema): object {
  const sources = ENDPOINT_SOURCES.filter((source) => source in (version.properties ?? {}));
  const present = sources.map((source) => `has(self.${source})`);
  return {
    'x-kubernetes-validations': [
      {
        rule: `[${present.join(', ')}].filter(present, present).size() == 1`,
        message: `needs exactly one of ${sources.join(', ')}`,
      },
    ],
  };
}

/** A service name is shorter than what Kubernetes allows as the name of an object. */
const NAME_RULE = {
  rule: "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
  message:
    'metadata.name must be at most 63 lower-case letters, digits and "-", starting and ending with a letter or digit',
};

function schemaOfObject(): StructuralSchema {
  const { spec } = toStructural(plainJsonSchema('input')).properties as { readonly spec: StructuralSchema };
  return {
    type: 'object',
    description: 'A service of the mesh: its releases, and how calls are shared out between them.',
    required: ['spec'],
    'x-kubernetes-validations': [NAME_RULE],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: withAdditions(spec, 'spec', { ...ADDITIONS, 'spec.versions[]': oneSource(versionOf(spec)) }),
      status: STATUS,
    },
  };
}

function versionOf({ properties }: StructuralSchema): StructuralSchema {
  return properties?.versions?.items ?? {};
}

function withAdditions(schema: StructuralSchema, path: string, additions: Additions): StructuralSchema {
  const { properties, items } = schema;
  return {
    ...schema,
    ...additions[path],
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([key, value]) => [
          key,
          withAdditions(value, `${path}.${key}`, additions),
        ]),
      ),
    }),
    ...(items && { items: withAdditions(items, `${path}[]`, additions) }),
  };
}
