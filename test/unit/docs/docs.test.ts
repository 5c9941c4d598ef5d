import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CONTROL_PLANE_METRICS } from '../../../control-plane/metric-table.js';
import { SIDECAR_METRICS } from '../../../sidecar/admin/metric-table.js';
import { ERROR_CATALOGUE } from '../../../src/http/error-catalogue.js';
import type { MetricTable } from '../../../src/telemetry/metrics.js';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

t.test('docs/errors.md and the catalogue of errors are equal', async (t) => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `([\w-]+)` \| (\d+) \| (\d+) \| ([^|]+) \|/gm)];
  const documented = Object.fromEntries(
    rows.map(([, code, status, grpcStatus, message]) => [
      code,
      { status: Number(status), grpcStatus: Number(grpcStatus), message: message?.trim() },
    ]),
  );
  t.same(documented, ERROR_CATALOGUE);
});

t.test('docs/metrics.md and the tables of metrics are equal, name by name', async (t) => {
  const text = read('docs/metrics.md');
  const section = (title: string) => {
    const after = text.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
    const rows = [...after.matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*)\| \S/gm)];
    return Object.fromEntries(
      rows.map(([, name, type, labels]) => [
        name,
        `${type} ${(labels ?? '').replaceAll('`', '').trim()}`.trim(),
      ]),
    );
  };
  const inBoth = section('Both');
  for (const [title, table] of [
    ['Sidecar', SIDECAR_METRICS],
    ['Control plane', CONTROL_PLANE_METRICS],
  ] as const) {
    t.ok(Object.keys(section(title)).length > 5, `${title} has rows`);
    t.strictSame({ ...section(title), ...inBoth }, typesOf(table), title);
  }
  for (const table of [SIDECAR_METRICS, CONTROL_PLANE_METRICS])
    for (const label of Object.values(table as MetricTable).flatMap(({ labels }) => labels))
      t.match(text.split('\n## Sidecar')[0], `\`${label}\``, `what ${label} can be is said`);
});

function typesOf(table: MetricTable): Record<string, string> {
  return Object.fromEntries(
    Object.entries(table).map(([name, { type, labels }]) => [name, `${type} ${labels.join(' ')}`.trim()]),
  );
}

t.test('docs/dependencies.md names every dependency and no other', async (t) => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
    string,
    Record<string, string>
  >;
  const wanted = Object.keys({ ...dependencies, ...devDependencies }).sort();
  const text = read('docs/dependencies.md').split('## Not used')[0] ?? '';
  const rows = text.split('\n').filter((line) => line.startsWith('| `'));
  const named = rows
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name))
    .sort();
  t.same(named, wanted);
});

t.test('the README stays under 200 lines', async (t) => {
  t.ok(read('README.md').split('\n').length < 200);
});
