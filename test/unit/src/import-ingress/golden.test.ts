import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { formatReport } from '../../../../src/import-ingress/format-report.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { importYaml, toYaml } from '../../../support/ingress/manifests.js';

/** Manifests beside what becomes of them. `UPDATE_GOLDEN=1` writes what comes out now; read the difference. */
const folder = fileURLToPath(new URL('../../../../../test/unit/src/import-ingress/golden/', import.meta.url));
const SUFFIX = '.in.yaml';
const names = readdirSync(folder)
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length));

for (const name of names) {
  t.test(`${name}: services and report are as written`, async (t) => {
    const input = readFileSync(join(folder, `${name}${SUFFIX}`), 'utf8');
    const { services, report } = importYaml(input, 'default', `${name}.yaml`);
    for (const service of services) parseMeshService(service);
    for (const [suffix, actual] of [
      ['out.yaml', toYaml(services)],
      ['report.txt', `${formatReport(report)}\n`],
    ] as const) {
      const path = join(folder, `${name}.${suffix}`);
      if (process.env.UPDATE_GOLDEN !== undefined) writeFileSync(path, actual);
      t.equal(actual, existsSync(path) ? readFileSync(path, 'utf8') : 'nothing yet', suffix);
    }
  });
}

t.test('there are golden files', async (t) => t.ok(names.length >= 3));
