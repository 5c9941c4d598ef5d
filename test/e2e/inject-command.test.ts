import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { roost } from '../support/processes.js';

/** `roost inject` and `roost uninject` as people and pipelines run them. */

const golden = fileURLToPath(new URL('../../../test/unit/src/inject/golden/', import.meta.url));
const deployment = join(golden, 'deployment.in.yaml');

t.test('manifests go to standard output, what became of each to standard error', async (t) => {
  const injected = await roost(['inject', '-f', deployment, '-f', join(golden, 'daemonset.in.yaml')]);
  t.equal(injected.code, 0);
  t.equal(
    injected.stderr,
    [
      'Deployment shop/checkout: injected',
      'DaemonSet observability/metrics-agent: injected',
      'warning: DaemonSet observability/node-agent: left alone: it uses hostNetwork, and redirect rules would catch the traffic of the whole node',
      '',
    ].join('\n'),
  );
  const restored = await roost(['uninject', '-q', '-f', '-'], { input: injected.stdout });
  const originals = [deployment, join(golden, 'daemonset.in.yaml')].map((file) => readFileSync(file, 'utf8'));
  t.equal(restored.stdout, originals.join('---\n'));
  t.equal(restored.stderr, '');
});

t.test('flags and their variables decide image, control plane and mode', async (t) => {
  const args = ['inject', '-q', '-f', deployment, '--sidecar-image', 'example/roost:9'];
  const { stdout } = await roost([
    ...args,
    '--sidecar-control-plane',
    '10.0.0.5:15010',
    '--sidecar-mode',
    'container',
  ]);
  t.match(stdout, 'image: example/roost:9');
  t.match(stdout, '--control-plane=10.0.0.5:15010');
  t.match(stdout, '"mode":"container"');
});

t.test('what is wrong is told by file and line, and nothing is printed', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'wrong.yaml');
  writeFileSync(
    file,
    'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    roost.dev/release: "-"\nspec:\n  containers: [{name: a}]\n',
  );
  const { code, stdout, stderr } = await roost(['inject', '-f', file, '-f', join(folder, 'missing.yaml')]);
  t.equal(code, 2);
  t.equal(stdout, '');
  t.match(stderr, `${file}:6:24: Pod a: metadata.annotations["roost.dev/release"]: expected a release name`);
  t.match(stderr, 'missing.yaml:1:1: file or folder not found');
  t.match(stderr, 'roost: nothing was changed');
});
