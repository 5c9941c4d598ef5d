import { FIELD_DOCS } from '../model/field-docs.js';
import { type JsonSchema, meshServiceJsonSchema } from '../model/json-schema.js';

/** One field of the resource. */
export interface FieldRow {
  /** `spec.routes[].timeout` */
  readonly path: string;
  readonly type: string;
  /** As YAML; empty: none. */
  readonly default: string;
  readonly required: boolean;
}

/** Every field of a MeshService, from its schema: those that hold others before those that they hold. */
export function fieldRows(): FieldRow[] {
  return rowsOf(meshServiceJsonSchema(), '');
}

function rowsOf(schema: JsonSchema, path: string): FieldRow[] {
  const objects = [schema, ...(schema.anyOf ?? [])];
  const own = objects.flatMap(({ properties = {}, required = [] }) =>
    Object.entries(properties).flatMap(([name, field]) => {
      const at = path === '' ? name : `${path}.${name}`;
      const row = {
        path: at,
        type: typeOf(field),
        default: field.default === undefined ? '' : JSON.stringify(field.default),
        required: required.includes(name),
      };
      return [row, ...rowsOf(field, at)];
    }),
  );
  return schema.items === undefined ? own : [...own, ...rowsOf(schema.items, `${path}[]`)];
}

function typeOf({
  type,
  enum: values,
  const: only,
  anyOf,
  items,
  properties,
  minimum,
  maximum,
}: JsonSchema): string {
  if (only !== undefined) return `\`${String(only)}\``;
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(' \\| ');
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(' or ');
  if (type === 'array')
    return `list of ${items?.type === 'object' ? 'objects' : `${items?.type ?? 'value'}s`}`;
  if (type === 'object') return properties === undefined ? 'map of strings' : 'object';
  const bounded = typeof maximum === 'number' && maximum < Number.MAX_SAFE_INTEGER;
  return bounded ? `${type}, ${Number(minimum)} to ${maximum}` : (type ?? 'any');
}

const INTRODUCTION = `# MeshService

Reference of every field of a MeshService, the resource that \`roost apply\` takes. For operators who write one. This page is made from the schema that validates documents; \`roost schema\` prints it as JSON Schema, with which editors complete fields and mark mistakes: write \`roost schema > mesh-service.schema.json\`, and make this the first line of your YAML file:

\`\`\`
# yaml-language-server: $schema=./mesh-service.schema.json
\`\`\`

\`[]\` stands for the entries of a list. An unknown field is an error. A duration is a number with a unit: \`500ms\`, \`2s\`, \`5m\`, \`1h\`.

What the fields do together: [routes](../routes.md), [sessions](../sessions.md), [semantics](../semantics.md), [health and limits](../health-and-limits.md), [TLS](../upstream-tls.md). A first document, step by step: [your first canary](../first-canary.md).
`;

/** docs/reference/mesh-service.md */
export function meshServicePage(): string {
  const rows = fieldRows();
  const sections = [
    ['## Head', rows.filter(({ path }) => !path.startsWith('spec'))],
    [
      '## The service',
      rows.filter(({ path }) => /^spec(?:\.[a-zA-Z]+)?$/.test(path) && path.startsWith('spec')),
    ],
    ...['versions', 'routes', 'affinity', 'health', 'outlier', 'limits', 'timeouts', 'tls'].map(
      (name) =>
        [
          `## \`${name}\``,
          rows.filter(({ path }) => new RegExp(`^spec\\.${name}(?:\\[\\])?\\.`).test(path)),
        ] as const,
    ),
  ] as readonly (readonly [string, readonly FieldRow[]])[];
  return `${INTRODUCTION}\n${sections.map(([title, fields]) => `${title}\n\n${table(fields)}`).join('\n\n')}\n`;
}

function table(rows: readonly FieldRow[]): string {
  const lines = rows.map(({ path, type, default: value, required }) => {
    const { help = '', example } = FIELD_DOCS[path] ?? {};
    const given = required ? '**required**' : code(value);
    return `| \`${path.replace(/^spec\./, '')}\` | ${type} | ${given} | ${code(example ?? '')} | ${help} |`;
  });
  return ['| field | type | default | example | meaning |', '|---|---|---|---|---|', ...lines].join('\n');
}

function code(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``;
}
