import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { scrape, sumOf } from '../support/exposition.js';
import { temporaryFolder } from '../support/folder.js';
import { toAddress } from '../support/mesh.js';
import { eventually, ROOST } from '../support/processes.js';

/** Every request gets 503: nobody listens where its control plane should be. */
const ARGUMENTS = [
  ...['sidecar', '--service', 'frontend.shop', '--control-plane', '127.0.0.1:9'],
  ...['--outbound', '127.0.0.1:0', '--inbound', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
];
const REQUEST = `GET /${'x'.repeat(400)} HTTP/1.1\r\nhost: checkout\r\n\r\n`;

interface Addresses {
  readonly outbound: string;
  readonly admin: string;
}

async function start(t: Test, stdout: 'pipe' | number) {
  const child = spawn(process.execPath, [ROOST, ...ARGUMENTS], { stdio: ['ignore', stdout, 'inherit'] });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return { child, exited };
}

async function startPiped(t: Test) {
  const { child, exited } = await start(t, 'pipe');
  const stdout = child.stdout as Readable;
  const log = { text: '' };
  stdout.on('data', (data) => {
    log.text += String(data);
  });
  await eventually('it listens', () => listening(log.text) !== undefined);
  return { child, exited, stdout, log, ...(listening(log.text) as Addresses) };
}

function listening(text: string): Addresses | undefined {
  const line = text.split('\n').find((line) => line.endsWith('}') && line.includes('sidecar is listening'));
  return line === undefined ? undefined : (JSON.parse(line) as Addresses);
}

/** Sends requests on one connection, all at once, and waits for as many answers. */
async function sendMany(outbound: string, count: number): Promise<void> {
  const socket = connect(toAddress(outbound));
  let answers = 0;
  let rest = '';
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (data) => {
      const parts = (rest + data.toString('latin1')).split('HTTP/1.1 503');
      answers += parts.length - 1;
      rest = (parts.at(-1) as string).slice(-20);
      if (answers === count) resolve();
    });
  });
  socket.write(REQUEST.repeat(count));
  await done;
  socket.destroy();
}

t.test(
  'a reader that does not keep up costs lines, which are counted, not memory, requests or the end',
  async (t) => {
    const { child, exited, stdout, log, outbound, admin } = await startPiped(t);
    stdout.pause();
    await sendMany(outbound, 2000);
    const memory = async () => sumOf((await scrape(admin)).get('process_resident_memory_bytes'));
    const before = await memory();
    for (let i = 0; i < 5; i++) await sendMany(outbound, 2000);
    const dropped = sumOf((await scrape(admin)).get('roost_log_lines_dropped_total'));
    t.ok(dropped > 0, `${dropped} lines dropped`);
    const grown = (await memory()) - before;
    t.ok(grown < 40e6, `${grown} bytes more for 8 MB of log`);
    child.kill('SIGTERM');
    t.strictSame(await exited, [0, null], 'it ends although nobody reads');
    stdout.resume();
    await once(stdout, 'close');
    const lines = log.text.split('\n').slice(0, -1);
    t.doesNotThrow(() => lines.map((line) => JSON.parse(line)), 'what was written are whole lines');
    t.ok(lines.length < 12_000, `${lines.length} lines`);
  },
);

t.test('a reader that goes away does not end the sidecar', async (t) => {
  const { child, exited, stdout, outbound } = await startPiped(t);
  stdout.destroy();
  for (let i = 0; i < 3; i++) await sendMany(outbound, 500);
  t.equal(child.exitCode, null);
  child.kill('SIGTERM');
  t.strictSame(await exited, [0, null]);
});

t.test('everything is written before the sidecar ends, to a pipe and to a file', async (t) => {
  const piped = await startPiped(t);
  await sendMany(piped.outbound, 300);
  piped.child.kill('SIGTERM');
  await once(piped.stdout, 'close');
  assertComplete(t, piped.log.text);

  const file = join(await temporaryFolder(t), 'log');
  const { child, exited } = await start(t, openSync(file, 'w'));
  const read = () => readFileSync(file, 'utf8');
  await eventually('it listens', () => listening(read()) !== undefined);
  await sendMany((listening(read()) as Addresses).outbound, 300);
  child.kill('SIGTERM');
  t.strictSame(await exited, [0, null]);
  assertComplete(t, read());
});

function assertComplete(t: Test, text: string): void {
  const lines = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { component?: string; msg?: string });
  t.equal(lines.filter(({ component }) => component === 'access').length, 300);
  t.equal(lines.at(-1)?.msg, 'sidecar has stopped');
}
