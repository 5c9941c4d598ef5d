import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ROOT } from '../../support/compose.js';
import { copiesOf, entrypointOf, readDockerfile, type Stage } from '../../support/dockerfile.js';
import { layOutImage } from '../../support/image.js';

const stages = readDockerfile();

function stageNamed(name: string): Stage {
  const found = stages.find((stage) => stage.name === name);
  if (found === undefined) throw new Error(`there is no stage ${name}`);
  return found;
}

/** Starts what an image runs. @returns what it prints, until `pattern` */
async function runImage(
  test: Test,
  stage: Stage,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  pattern: RegExp,
): Promise<RegExpExecArray | string> {
  const app = layOutImage(test, stage);
  const script = entrypointOf(stage)[1]?.replace(/^\/app\//, '') ?? '';
  const child = spawn(process.execPath, [join(app, script), ...args], {
    env: { PATH: process.env.PATH, ...env },
  });
  test.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  let printed = '';
  return new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        printed += String(data);
        const found = pattern.exec(printed);
        if (found) resolve(found);
      });
    }
    child.once('close', () => resolve(printed));
  });
}

t.test('copies from stages before it only, and what the build makes', async (t) => {
  for (const [index, stage] of stages.entries()) {
    for (const { from, sources } of copiesOf(stage)) {
      t.ok(
        stages.slice(0, index).some(({ name }) => name === from),
        `${stage.name} copies from ${from}`,
      );
      for (const source of sources) t.ok(existsSync(join(ROOT, source.replace(/^\/build\//, ''))), source);
    }
  }
});

t.test('the images are of Node 24', async (t) => {
  for (const { name, base } of stages) t.match(base, /^node:24[.-]/, name);
});

t.test('the image of roost has all that the control plane needs', async (t) => {
  const args = ['control-plane', '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const ready = await runImage(t, stageNamed('roost'), args, {}, /"http":"([^"]+)".*control plane is ready/);
  t.type(ready, Array, String(ready));
  t.equal((await fetch(`http://${ready[1]}/ready`)).status, 200);
});

t.test('the image of roost has all that a sidecar needs', async (t) => {
  const ports = ['--outbound', '--inbound', '--admin'].flatMap((flag) => [flag, '127.0.0.1:0']);
  const args = ['sidecar', '--service', 'checkout.shop', ...ports, '--control-plane', '127.0.0.1:1'];
  const up = await runImage(t, stageNamed('roost'), args, {}, /"admin":"([^"]+)".*sidecar is listening/);
  t.type(up, Array, String(up));
  t.equal((await fetch(`http://${up[1]}/metrics`)).status, 200);
});

t.test('the image of roost has every command', async (t) => {
  const help = await runImage(t, stageNamed('roost'), ['--help'], {}, /status[\s\S]*version/);
  t.type(help, Array, String(help));
  const valid = await runImage(
    t,
    stageNamed('roost'),
    ['status', '--control-plane', '127.0.0.1:1'],
    {},
    /does not answer/,
  );
  t.type(valid, Array, String(valid));
});

t.test('the image of the shop has all that the app needs, and nothing of Roost', async (t) => {
  const stage = stageNamed('shop');
  const up = await runImage(t, stage, ['frontend'], { PORT: '0' }, /listens on (\S+)\n/);
  t.type(up, Array, String(up));
  t.equal((await fetch(`http://${up[1]}/healthz`)).status, 200);
  t.equal((await fetch(`http://${up[1]}/`)).status, 502, 'and no checkout to call');
  const copied = copiesOf(stage).flatMap(({ sources }) => sources);
  t.notOk(copied.some((source) => /dist\/(src|sidecar|control-plane)/.test(source)));
});
