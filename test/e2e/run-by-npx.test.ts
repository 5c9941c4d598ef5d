import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import t from 'tap';
import { eventually, isRunning, ROOST } from '../support/processes.js';

/** `npx` runs a shell that runs the command; a signal to `npx` ends those two. */
function runByNpx(t: { teardown(end: () => void): void }, environment: NodeJS.ProcessEnv) {
  const run = `"${process.execPath}" "${ROOST}" control-plane --grpc 127.0.0.1:0 --http 127.0.0.1:0`;
  const shell = spawn('sh', ['-c', `${run} & echo $!; wait`], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = createInterface(shell.stdout);
  let pid = 0;
  const ready = (async () => {
    for await (const line of lines) {
      if (/^\d+$/.test(line)) pid = Number(line);
      else if (line.includes('control plane is ready')) return pid;
    }
    throw new Error('it did not start');
  })();
  t.teardown(() => {
    shell.kill('SIGKILL');
    if (pid !== 0 && isRunning(pid)) process.kill(pid, 'SIGKILL');
  });
  return { shell, ready };
}

t.test('a control plane that npx has started ends with npx', async (t) => {
  const { shell, ready } = runByNpx(t, { npm_command: 'exec' });
  const pid = await ready;
  shell.kill('SIGTERM');
  await once(shell, 'exit');
  await eventually('it has ended', () => !isRunning(pid), 10_000);
});

t.test('one that npx has not started outlives the shell that has', async (t) => {
  const { shell, ready } = runByNpx(t, { npm_command: undefined });
  const pid = await ready;
  shell.kill('SIGTERM');
  await once(shell, 'exit');
  await new Promise((resolve) => setTimeout(resolve, 1200));
  t.ok(isRunning(pid));
  process.kill(pid, 'SIGTERM');
  await eventually('it has ended', () => !isRunning(pid), 10_000);
});
