import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import type { Imported } from '../../src/import-ingress/import-ingress.js';
import { Backend } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { canary, ingress, slice, toYaml } from '../support/ingress/manifests.js';
import { eventually, roost, startControlPlane, startSidecar } from '../support/processes.js';

/** `roost import ingress` as people and pipelines run it. */

const importFrom = (input: string, ...args: readonly string[]) =>
  roost(['import', 'ingress', '-f', '-', ...args], { input });

const PAIR = toYaml([
  ingress('p', {
    annotations: { affinity: 'cookie', 'affinity-mode': 'persistent' },
    rules: [{ path: '/' }],
  }),
  canary('c', { 'canary-by-header': 'x-canary', 'canary-weight': '0' }, { rules: [{ path: '/' }] }),
]);
/** One canary is left out, the rest is imported. */
const WITH_STRAY = `${PAIR}---\n${toYaml([canary('stray', {}, { host: 'nowhere.example' })])}`;

t.test('manifests, piped to apply, are served as ingress-nginx did', async (t) => {
  const [primary, next] = [await Backend.start(t, 'p-1'), await Backend.start(t, 'c-1')];
  const { grpc } = await startControlPlane(t);
  const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', grpc]);
  const pods = toYaml([slice('p', primary.address, 'shop'), slice('c', next.address, 'shop')]);
  const imported = await importFrom(`${PAIR}---\n${pods}`, '--namespace', 'shop');
  t.equal(imported.code, 0, imported.stderr);
  t.match(
    imported.stderr,
    /services: 1; \d+ map exactly, \d+ change meaning, 0 have no counterpart; 0 left out/,
  );
  const applied = await roost(['apply', '-f', '-', '--control-plane', grpc], { input: imported.stdout });
  t.equal(applied.code, 0, applied.stderr);
  await eventually(
    'the sidecar is ready',
    async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200,
  );
  const call = caller(t, sidecar.outbound);
  t.equal((await call('p.shop')).backend, 'p-1');
  const forced = await call('p.shop', { headers: { 'x-canary': 'always' } });
  t.equal(forced.backend, 'c-1');
  const cookie = String(forced.headers['set-cookie']).split(';')[0] ?? '';
  t.match(cookie, /^INGRESSCOOKIE=/);
  t.equal((await call('p.shop', { headers: { cookie } })).backend, 'c-1');
  t.equal((await call('foo.example', { headers: { cookie, 'x-canary': 'never' } })).backend, 'c-1');
});

t.test('output is YAML with its origin, or JSON with the report; --report writes it too', async (t) => {
  const file = join(t.testdir(), 'report.json');
  const yaml = await importFrom(PAIR);
  t.match(yaml.stdout, /^# From Ingress default\/p, default\/c\napiVersion: roost\.dev\/v1alpha1\n/);
  const json = await importFrom(PAIR, '-o', 'json', '--report', file);
  const { services, report } = JSON.parse(json.stdout) as Imported;
  t.same(services, [parse(yaml.stdout)]);
  t.same(JSON.parse(readFileSync(file, 'utf8')), report);
  t.match(report.services, [{ key: 'default/p', from: ['default/p', 'default/c'] }]);
});

t.test('what is left out ends with 0, and with --strict in 1 and without services', async (t) => {
  const lenient = await importFrom(WITH_STRAY);
  t.equal(lenient.code, 0);
  t.match(
    lenient.stderr,
    /-:\d+:\d+: spec\.rules\[0\]\.http\.paths\[0\]: Ingress default\/stray: is a canary without/,
  );
  t.match(parse(lenient.stdout), { metadata: { name: 'p' } });
  const strict = await importFrom(WITH_STRAY, '--strict');
  t.equal(strict.code, 1);
  t.equal(strict.stdout, '');
  t.match(strict.stderr, /1 left out, and --strict was given/);
  const json = await importFrom(WITH_STRAY, '--strict', '-o', 'json');
  t.equal(json.code, 1);
  t.match(JSON.parse(json.stdout), { services: [], report: { refused: [{ line: Number }] } });
});

t.test('nothing to import is 2, and so is bad usage', async (t) => {
  for (const [input, says] of [
    ['', /nothing could be imported/],
    ['a: [b', /-:1:\d+: is not valid YAML/],
    [toYaml([canary('c', {})]), /is a canary without a primary/],
    ['[[[['.repeat(50_000), /is not valid YAML/],
  ] as const) {
    const finished = await importFrom(input);
    t.equal(finished.code, 2);
    t.equal(finished.stdout, '');
    t.match(finished.stderr, says);
  }
  const missing = await roost(['import', 'ingress', '-f', '/no/such/file']);
  t.equal(missing.code, 2);
  t.match(missing.stderr, /\/no\/such\/file:1:1: file or folder not found/);
  const bare = await roost(['import', 'ingress', '--bogus', '-o', 'xml']);
  t.equal(bare.code, 2);
  for (const says of [/--file .*is required/, /--bogus/, /xml/, /"roost import ingress --help"/])
    t.match(bare.stderr, says);
});

t.test('--help teaches', async (t) => {
  const { code, stdout } = await roost(['import', 'ingress', '--help']);
  t.equal(code, 0);
  for (const says of [/--strict/, /Exit code: 0/, /kubectl get ingress/, /docs\/from-ingress-nginx\.md/])
    t.match(stdout, says);
});
