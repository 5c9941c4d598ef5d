import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CONTROL_PLANE_METRICS } from '../../../../control-plane/metric-table.js';
import { SIDECAR_METRICS } from '../../../../sidecar/admin/metric-table.js';
import type { MetricTable } from '../../../../src/telemetry/metrics.js';
import { ROOT } from '../../../support/compose.js';

const METRICS: MetricTable = { ...SIDECAR_METRICS, ...CONTROL_PLANE_METRICS };
/** Labels that Prometheus adds to whatever it scrapes, and the histogram's own. */
const ADDED = ['instance', 'job', 'le'];

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const dashboard = JSON.parse(readFileSync(join(ROOT, 'examples/grafana/roost.json'), 'utf8')) as {
  panels: readonly Panel[];
  templating: { list: readonly { query: string }[] };
};

/** The metric that a name in a query stands for; a histogram's samples have names of their own. */
function metricOf(name: string): MetricTable[string] | undefined {
  const family = name.replace(/_(?:bucket|sum|count)$/, '');
  return METRICS[name] ?? (METRICS[family]?.type === 'histogram' ? METRICS[family] : undefined);
}

function assertKnown(t: Test, expr: string, shown: string): void {
  const names = [...expr.matchAll(/\b(?:roost|process)_\w+/g)].map(([name]) => name);
  t.ok(names.length > 0, `${expr} asks for a metric of ours`);
  const known = new Set(names.flatMap((name) => metricOf(name)?.labels ?? []));
  for (const name of names) t.ok(metricOf(name), name);
  const labels = [
    ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', ')),
    ...[...expr.matchAll(/(\w+)=~?"/g)].map(([, label = '']) => label),
    ...[...shown.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label),
  ];
  for (const label of labels) t.ok(known.has(label) || ADDED.includes(label), `${label} in ${expr}`);
  for (const [, name = ''] of expr.matchAll(/(?:rate|increase)\((\w+)/g))
    t.not(metricOf(name)?.type, 'gauge', `a rate of ${name}`);
}

t.test('every metric and label that the dashboard asks for exists', async (t) => {
  for (const { title, type, targets = [] } of dashboard.panels) {
    t.equal(targets.length > 0, type !== 'row', title);
    for (const { expr, legendFormat } of targets) assertKnown(t, expr, legendFormat);
  }
  for (const { query } of dashboard.templating.list) {
    const [, expr, label] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? [];
    if (expr !== undefined) assertKnown(t, expr, `{{${label}}}`);
  }
});

t.test('no panel lies over another', async (t) => {
  const cells = new Set<string>();
  for (const { title, gridPos } of dashboard.panels) {
    const { x, y, w, h } = gridPos;
    t.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column++)
      for (let line = y; line < y + h; line++) {
        if (cells.has(`${column} ${line}`)) t.fail(`${title} lies over another`);
        cells.add(`${column} ${line}`);
      }
  }
});
