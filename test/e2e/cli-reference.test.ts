import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { eventually, ROOST, roost, startControlPlane } from '../support/processes.js';
import { checkout } from '../support/shop.js';

t.setTimeout(120_000);

t.test('schema prints the JSON Schema of a resource', async (t) => {
  const { code, stdout } = await roost(['schema', 'meshservice']);
  t.equal(code, 0);
  const schema = JSON.parse(stdout);
  t.match(schema, { title: 'MeshService', type: 'object', additionalProperties: false });
  t.match(schema.properties.spec.properties.protocol, {
    default: 'http',
    enum: ['http', 'http2', 'grpc', 'tcp'],
  });
  const wrong = await roost(['schema', 'Gateway']);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, 'unknown kind "Gateway"; expected MeshService');
});

/** What bash offers after a line, with the cursor at its end. */
function completed(script: string, line: string): string[] {
  const words = line.split(' ');
  const program = `source '${script}'\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${words.length - 1}\n_roost\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', program], { encoding: 'utf8' }).split('\n').filter(Boolean);
}

const hasBash = spawnSync('bash', ['--version']).status === 0;

t.test(
  'bash completes commands and options',
  { skip: hasBash ? false : 'bash is not installed' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'roost-completion-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const script = join(folder, 'roost.bash');
    writeFileSync(script, (await roost(['completion', 'bash'])).stdout);
    t.same(completed(script, 'roost pro'), ['promote']);
    t.ok(completed(script, 'roost ').includes('control-plane'));
    t.same(completed(script, 'roost plan '.trimEnd().concat(' sp')), ['split']);
    t.ok(completed(script, 'roost plan split checkout --').includes('--fail-above'));
    t.notOk(completed(script, 'roost get --').includes('--fail-above'));
    t.same(completed(script, 'roost sidecar --outb'), ['--outbound']);
  },
);

t.test('every shell has a script, and others are refused', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await roost(['completion', shell]);
    t.equal(code, 0);
    t.match(stdout, /roost[\s\S]*promote/);
  }
  const wrong = await roost(['completion', 'tcsh']);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, 'unknown shell "tcsh"; expected bash, zsh, fish');
});

t.test('diff shows what apply would change, and says so by its exit code', async (t) => {
  const { grpc } = await startControlPlane(t);
  const run = (args: string, input = '') =>
    roost(args.split(' '), { env: { ROOST_CONTROL_PLANE: grpc }, input });
  const before = stringify(checkout({ split: { v1: 1 } }));
  const created = await run('diff -f -', before);
  t.equal(created.code, 1);
  t.match(created.stdout, /^shop\/checkout:\n {2}created/);
  await run('apply -f -', before);
  const same = await run('diff -f -', before);
  t.same([same.code, same.stdout], [0, 'nothing would change\n']);
  const after = stringify(checkout({ split: { v1: 90, v2: 10 } }));
  const changed = await run('diff -f -', after);
  t.equal(changed.code, 1);
  t.match(changed.stdout, 'v1=90 v2=10');
  const json = await run('diff -f - -o json', after);
  t.match(JSON.parse(json.stdout), [{ service: 'shop/checkout', changes: [/v1=90 v2=10/] }]);
  t.equal((await run('diff -f -', 'kind: MeshService')).code, 2, 'a document that is wrong');
});

t.test('--namespace names the namespace of a service for every verb', async (t) => {
  const { grpc } = await startControlPlane(t);
  const run = (args: string, input = '') =>
    roost(args.split(' '), { env: { ROOST_CONTROL_PLANE: grpc }, input });
  await run('apply -f -', stringify(checkout({ split: { v1: 1 } })));
  for (const args of [
    'get checkout -n shop',
    'explain checkout -n shop',
    'split checkout v1=90 v2=10 -n shop',
    'plan split checkout v1=80 v2=20 -n shop',
    'history checkout -n shop',
    'sessions checkout -n shop',
    'abort checkout.shop -n other',
    'undo checkout --namespace shop',
    'promote checkout v2 -n shop',
    'delete checkout -n shop',
  ]) {
    const { code, stderr } = await run(args);
    t.same([code, stderr], [0, ''], args);
  }
});

t.test('get --watch shows a service again when it changes', async (t) => {
  const { grpc } = await startControlPlane(t);
  const env = { ...process.env, ROOST_CONTROL_PLANE: grpc };
  const run = (args: string, input = '') =>
    roost(args.split(' '), { env: { ROOST_CONTROL_PLANE: grpc }, input });
  await run('apply -f -', stringify(checkout({ split: { v1: 1 } })));
  const watching = spawn(process.execPath, [ROOST, 'get', 'checkout.shop', '-w'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => watching.kill('SIGKILL'));
  let shown = '';
  watching.stdout.on('data', (piece) => {
    shown += String(piece);
  });
  await eventually('the service is shown', () => shown.includes('v1=1'));
  await run('split checkout.shop v1=90 v2=10');
  await eventually('its change is shown', () => shown.includes('v1=90 v2=10'));
  t.equal(shown.split('NAMESPACE').length - 1, 2, 'and nothing but changes');
});

t.test('a mistyped service, command or option is told what it may mean', async (t) => {
  const { grpc } = await startControlPlane(t);
  const run = (args: string, input = '') =>
    roost(args.split(' '), { env: { ROOST_CONTROL_PLANE: grpc }, input });
  const document = JSON.parse(JSON.stringify(checkout({ split: { v1: 1 } })).replaceAll('"v1"', '"blue-1"'));
  await run('apply -f -', stringify(document));
  for (const [args, meant] of [
    ['get chekout.shop', 'did you mean shop/checkout?'],
    ['promot checkout.shop v1', 'Did you mean promote?'],
    ['get --namspace shop', 'did you mean --namespace?'],
  ] as const) {
    const { code, stderr } = await run(args);
    t.not(code, 0, args);
    t.match(stderr, meant, args);
  }
});
