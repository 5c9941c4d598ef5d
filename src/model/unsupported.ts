import type { Problem } from './problems.js';

/**
 * Fields that the resource has and nothing implements yet. They are refused by name: an ignored field would
 * promise what no sidecar does.
 */
const UNSUPPORTED: readonly { readonly path: string; readonly values?: readonly unknown[] }[] = [
  { path: 'spec.protocol', values: ['http2', 'grpc', 'tcp'] },
  { path: 'spec.versions[].selector' },
  { path: 'spec.affinity.key[].source', values: ['identity'] },
];

export function findUnsupported(input: unknown): Problem[] {
  return UNSUPPORTED.flatMap(({ path, values }) =>
    collect(input, path.split('.'), [])
      .filter(({ value }) => value !== undefined && (values === undefined || values.includes(value)))
      .map(({ path: at, value }) => ({
        path: at,
        message: `${values ? `${JSON.stringify(value)} ` : ''}is not implemented yet`,
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
