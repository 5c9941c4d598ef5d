import type { Problem } from './problems.js';

interface Unsupported {
  readonly path: string;
  /** Undefined: every value. */
  readonly values?: readonly unknown[];
  readonly instead?: string;
}

/**
 * Fields that the resource has and nothing implements yet. They are refused by name: an ignored field would
 * promise what no sidecar does.
 */
const UNSUPPORTED: readonly Unsupported[] = [
  {
    path: 'spec.affinity.key[].source',
    values: ['identity'],
    instead:
      'it takes mutual TLS between pods to tell callers apart; use ip, or a header that says who calls',
  },
];

export function findUnsupported(input: unknown): Problem[] {
  return UNSUPPORTED.flatMap(({ path, values, instead }) =>
    collect(input, path.split('.'), [])
      .filter(({ value }) => value !== undefined && (values === undefined || values.includes(value)))
      .map(({ path: at, value }) => ({
        path: at,
        message: `${values ? `${JSON.stringify(value)} ` : ''}is not implemented yet${instead ? `: ${instead}` : ''}`,
      })),
  );
}

type Found = { path: (string | number)[]; value: unknown };

function collect(value: unknown, steps: readonly string[], path: (string | number)[]): Found[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [{ path, value }];
  const name = step.replace('[]', '');
  const child =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  if (!step.endsWith('[]')) return collect(child, rest, [...path, name]);
  return Array.isArray(child) ? child.flatMap((item, i) => collect(item, rest, [...path, name, i])) : [];
}

/** Whether a field, such as `spec.routes[].mirror`, is accepted. */
export function isImplemented(field: string): boolean {
  return !UNSUPPORTED.some(({ path, values }) => path === field && values === undefined);
}
