import { z } from 'zod';
import { FIELD_DOCS } from './field-docs.js';
import { formatDuration } from './formats.js';
import { meshServiceSchema } from './schema.js';

/** As much of JSON Schema (draft 2020-12) as the resource needs. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly default?: unknown;
}

/**
 * The JSON Schema of a MeshService as a user writes it, made from the schema that validates it, with what each field
 * means. Cross-checks between fields are not in it: `roost apply --dry-run` makes those.
 */
export function meshServiceJsonSchema(): JsonSchema {
  return { title: 'MeshService', ...documented(plainJsonSchema('input'), plainJsonSchema('output'), '') };
}

/** The same without documentation. @param io as a user writes it, or as parsing leaves it: with every default */
export function plainJsonSchema(io: 'input' | 'output'): JsonSchema {
  return z.toJSONSchema(meshServiceSchema, { io, unrepresentable: 'any' }) as JsonSchema;
}

function documented(schema: JsonSchema, parsed: JsonSchema | undefined, path: string): JsonSchema {
  const doc = FIELD_DOCS[path];
  const { properties, items, anyOf } = schema;
  return {
    ...schema,
    ...(doc && { description: plainText(doc.help) }),
    ...(schema.default === undefined && durationDefault(schema, parsed)),
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, inner]) => [
          name,
          documented(inner, parsed?.properties?.[name], path === '' ? name : `${path}.${name}`),
        ]),
      ),
    }),
    ...(items && { items: documented(items, parsed?.items, `${path}[]`) }),
    ...(anyOf && { anyOf: anyOf.map((each) => documented(each, each, path)) }),
  };
}

/** Durations are texts that are parsed to milliseconds: their defaults are known in milliseconds only. */
function durationDefault({ type }: JsonSchema, parsed: JsonSchema | undefined): { default?: string } {
  if (type !== 'string' || typeof parsed?.default !== 'number') return {};
  return { default: formatDuration(parsed.default) };
}

/** Without links, which editors do not show. */
function plainText(markdown: string): string {
  return markdown.replace(/ \(\[[^\]]*\]\([^)]*\)\)/g, '').replaceAll('`', '');
}
