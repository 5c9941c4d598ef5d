import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const NAME = 'roost-mesh';

/** Packs the project as `npm publish` would, and puts it where `npm install` would, with our dependencies beside it. */
function installPacked(folder: string): string {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ) as { filename: string }[];
  execFileSync('tar', ['-xzf', join(folder, packed?.filename ?? ''), '-C', folder]);
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  for (const entry of readdirSync(join(ROOT, 'node_modules')))
    if (!entry.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', entry), join(modules, entry));
  renameSync(join(folder, 'package'), join(modules, NAME));
  return join(modules, NAME);
}

const folder = mkdtempSync(join(tmpdir(), 'roost-package-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
// What an operator may have lying about in the project's folder is nobody else's.
const stray = join(ROOT, 'roost-data');
const isStrayOurs = !existsSync(stray);
if (isStrayOurs) {
  mkdirSync(stray);
  writeFileSync(join(stray, 'secret'), 'not for anybody');
}
const installed = installPacked(folder);
if (isStrayOurs) rmSync(stray, { recursive: true });

t.test('has what users need, and nothing else', async (t) => {
  const files = readdirSync(installed, { recursive: true }).map(String);
  t.equal(files.filter((file) => file.endsWith('.js') && file.startsWith('dist/')).length > 200, true);
  for (const unwanted of [
    /^test/,
    /^dist\/(?:test|bench|examples)/,
    /^bench/,
    /\.map$/,
    /roost-data/,
    /(?<!\.d)\.ts$/,
  ])
    t.same(
      files.filter((file) => unwanted.test(file)),
      [],
      String(unwanted),
    );
  for (const wanted of ['README.md', 'LICENSE', 'CHANGELOG.md', 'proto/roost/v1/config.proto'])
    t.ok(files.includes(wanted), wanted);
});

t.test('its exports have types, and load', async (t) => {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  for (const target of Object.values(manifest.exports['.']))
    t.ok(existsSync(join(installed, String(target))));
  const program = `import { parseMeshService } from '${NAME}'; console.log(typeof parseMeshService)`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: folder,
    encoding: 'utf8',
  });
  t.equal(printed.trim(), 'function');
});

t.test('its command runs', async (t) => {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const command = join(installed, manifest.bin.roost);
  t.match(execFileSync(process.execPath, [command, '--version'], { encoding: 'utf8' }), manifest.version);
  const child = spawn(
    process.execPath,
    [command, 'control-plane', '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0'],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface(child.stdout)) if (line.includes('control plane is ready')) break;
  child.kill('SIGTERM');
  t.same(await once(child, 'exit'), [0, null]);
});
