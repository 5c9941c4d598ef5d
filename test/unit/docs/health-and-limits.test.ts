import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { parseMeshService } from '../../../src/model/mesh-service.js';

const page = readFileSync(new URL('../../../../docs/health-and-limits.md', import.meta.url), 'utf8');

t.test('the examples on docs/health-and-limits.md can be applied', async (t) => {
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)];
  t.equal(examples.length, 2);
  for (const [, example] of examples) t.doesNotThrow(() => parseMeshService(parse(example as string)));
});

t.test('docs/health-and-limits.md names every field and its default', async (t) => {
  const { spec } = parseMeshService({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout' },
    spec: {
      port: 80,
      versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }],
      outlier: { successRate: {} },
      health: {},
      limits: { retryBudget: {} },
    },
  });
  const durations: Readonly<Record<number, string>> = {
    1000: '`1s`',
    5000: '`5s`',
    10000: '`10s`',
    30000: '`30s`',
    300000: '`5m`',
  };
  const { successRate, ...outlier } = spec.outlier ?? {};
  const prefixed = Object.entries(successRate ?? {}).map(([name, value]) => [`successRate.${name}`, value]);
  for (const [name, value] of [...Object.entries(outlier), ...prefixed, ...Object.entries(spec.health ?? {})])
    t.match(page, `| \`${name}\` | ${durations[value as number] ?? value} |`);
  const { percent, minimum } = spec.limits?.retryBudget ?? {};
  t.match(page, `| \`retryBudget.percent\` | default ${percent}: `);
  t.match(page, `| \`retryBudget.minimum\` | default ${minimum}: `);
});
