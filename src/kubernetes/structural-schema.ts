import type { JsonSchema } from '../model/json-schema.js';

/**
 * A JSON Schema as a structural schema, the only kind that a CustomResourceDefinition may have: every value has one
 * type, unknown members are pruned, and nothing of JSON Schema is used that the API server does not know.
 * (kubernetes.io, "Specifying a structural schema")
 */

export interface StructuralSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly items?: StructuralSchema;
  readonly additionalProperties?: StructuralSchema;
  readonly [key: string]: unknown;
}

/** Keywords that mean the same in both. */
const SHARED = [
  'type',
  'enum',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'description',
] as const;

/** Takes every form; the validating webhook says what is wrong with it. */
const ANYTHING: StructuralSchema = { 'x-kubernetes-preserve-unknown-fields': true };

export function toStructural(schema: JsonSchema): StructuralSchema {
  if (schema.anyOf !== undefined || schema.type === undefined) return ANYTHING;
  const { properties, items, additionalProperties, pattern, required = [] } = schema;
  return {
    ...Object.fromEntries(SHARED.flatMap((key) => (schema[key] === undefined ? [] : [[key, schema[key]]]))),
    ...('const' in schema ? { enum: [schema.const] } : {}),
    ...bounds(schema),
    ...(pattern === undefined || !isKnownToRe2(pattern) ? {} : { pattern }),
    ...(required.length === 0 ? {} : { required }),
    ...(properties === undefined ? {} : { properties: mapValues(properties, toStructural) }),
    ...(items === undefined ? {} : { items: toStructural(items) }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: toStructural(additionalProperties) }
      : {}),
  };
}

/** OpenAPI 3.0 has flags where JSON Schema has bounds of their own. */
function bounds({ exclusiveMinimum, exclusiveMaximum }: JsonSchema): object {
  return {
    ...(exclusiveMinimum === undefined ? {} : { minimum: exclusiveMinimum, exclusiveMinimum: true }),
    ...(exclusiveMaximum === undefined ? {} : { maximum: exclusiveMaximum, exclusiveMaximum: true }),
  };
}

/** The API server's regular expressions cannot look ahead or behind. */
function isKnownToRe2(pattern: string): boolean {
  return !/\(\?[=!<]/.test(pattern);
}

function mapValues<T, U>(object: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
