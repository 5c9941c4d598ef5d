import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { toJsonPatch } from '../../../../src/inject/edits.js';
import { injectPod } from '../../../../src/inject/inject-pod.js';
import { injectManifest, uninjectManifest } from '../../../../src/inject/manifest.js';
import { defaultSettings } from '../../../../src/inject/settings.js';
import { objectsOf } from '../../../../src/inject/workloads.js';
import { applyJsonPatch } from '../../../support/json-patch.js';

/** Manifests beside what becomes of them. `UPDATE_GOLDEN=1` writes what comes out now; read the difference. */
const folder = fileURLToPath(new URL('../../../../../test/unit/src/inject/golden/', import.meta.url));
const SUFFIX = '.in.yaml';
const names = readdirSync(folder)
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length));

const SETTINGS = { ...defaultSettings('1.2.3'), image: 'registry.example/roost:1.2.3' };
const read = (text: string) => parseAllDocuments(text, { merge: true }).map((document) => document.toJS());

for (const name of names) {
  const input = readFileSync(join(folder, `${name}${SUFFIX}`), 'utf8');

  t.test(`${name}: the manifest is injected as written beside it`, async (t) => {
    const { text, objects, problems } = injectManifest(input, SETTINGS);
    t.same(problems, []);
    const report = objects.map(({ title, outcome, notes }) => `${[title, outcome, ...notes].join(': ')}\n`);
    for (const [suffix, actual] of [
      ['out.yaml', text],
      ['report.txt', report.join('')],
    ] as const) {
      const path = join(folder, `${name}.${suffix}`);
      if (process.env.UPDATE_GOLDEN !== undefined) writeFileSync(path, actual);
      t.equal(actual, existsSync(path) ? readFileSync(path, 'utf8') : 'nothing yet', suffix);
    }
  });

  t.test(`${name}: a second injection changes nothing, and uninject restores every byte`, async (t) => {
    const { text } = injectManifest(input, SETTINGS);
    t.equal(injectManifest(text, SETTINGS).text, text);
    t.equal(uninjectManifest(text).text, input);
    t.equal(uninjectManifest(input).text, input, 'nothing to uninject');
    const newer = injectManifest(text, { ...SETTINGS, version: '1.2.4' }).text;
    t.equal(uninjectManifest(newer).text, input, 'also after an upgrade');
  });

  t.test(`${name}: the webhook's patch gives the same objects as the text`, async (t) => {
    const documents = read(input);
    for (const document of documents)
      for (const { workload } of objectsOf(document)) {
        const outcome = workload && injectPod(workload.template, workload.owner, SETTINGS);
        if (outcome?.kind === 'inject') applyJsonPatch(workload?.template, toJsonPatch(outcome.edits));
      }
    t.same(documents, read(injectManifest(input, SETTINGS).text));
  });
}

t.test('there are golden files of every kind of workload', async (t) => {
  const all = names.map((name) => readFileSync(join(folder, `${name}${SUFFIX}`), 'utf8')).join('\n');
  for (const kind of [
    'Deployment',
    'ReplicaSet',
    'StatefulSet',
    'DaemonSet',
    'Job',
    'CronJob',
    'Pod',
    'Rollout',
  ])
    t.match(all, new RegExp(`kind"?: "?${kind}\\b`), kind);
});
