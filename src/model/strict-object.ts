import { z } from 'zod';

/** An object that refuses unknown fields; the error lists the known ones, for `toProblems` to suggest from. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined),
  });
}

/** The check that exactly one of these fields is there, made even when other fields are wrong. */
export function exactlyOne(...fields: readonly string[]) {
  return [
    (value: object) => present(value, fields).length === 1,
    {
      when: isObject,
      error: (issue: { input?: unknown }) => {
        const found = present(issue.input as object, fields);
        const has = found.length === 0 ? 'has none' : `has ${found.join(' and ')}`;
        return `needs exactly one of ${fields.join(', ')}; it ${has}`;
      },
    },
  ] as const;
}

/** The check that at least one of these fields is there. */
export function atLeastOne(...fields: readonly string[]) {
  return [
    (value: object) => present(value, fields).length > 0,
    { when: isObject, error: `says nothing; it needs one of ${fields.join(', ')}` },
  ] as const;
}

/** The check that of these fields there is one at most. */
export function atMostOne(...fields: readonly string[]) {
  return [
    (value: object) => present(value, fields).length <= 1,
    { when: isObject, error: `has ${fields.join(' and ')}; only one of them can be` },
  ] as const;
}

function present(value: object, fields: readonly string[]): string[] {
  return fields.filter((field) => (value as Record<string, unknown>)[field] !== undefined);
}

function isObject(payload: { value: unknown }): boolean {
  return typeof payload.value === 'object' && payload.value !== null;
}
