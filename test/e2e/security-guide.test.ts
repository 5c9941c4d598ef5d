import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { freePorts } from '../../bench/free-ports.js';
import { ROOST } from '../support/processes.js';

/** `docs/security.md`: the commands that turn on TLS and credentials, as they are written there. */

const page = readFileSync(fileURLToPath(new URL('../../../docs/security.md', import.meta.url)), 'utf8');
const [, block = ''] = /## Turn on TLS and credentials\n\n```\n(.*?)```/s.exec(page) ?? [];
const commands = block.trim().split('\n');
const [, sidecar = ''] = /`(roost sidecar … [^`]+)`/.exec(page) ?? [];

const missing = ['bash', 'openssl'].filter((name) => spawnSync(name, ['--help']).error !== undefined);

/** Runs until the last command succeeds, which says who is connected. */
const SCRIPT = (setUp: readonly string[], background: readonly string[], last: string) =>
  [
    'set -e; shopt -s expand_aliases; trap "kill \\$(jobs -p) 2>/dev/null; wait" EXIT',
    `alias roost='"${process.execPath}" "${ROOST}"'`,
    ...setUp,
    ...background.map((command) => `${command} > /dev/null &`),
    `until ${last} > status.txt && grep -q frontend.shop status.txt; do sleep 0.2; done`,
    'cat status.txt',
  ].join('\n');

t.test(
  'the commands of the guide protect a control plane, and a sidecar with its token connects',
  { skip: missing.length > 0 && `${missing.join(' and ')} not installed` },
  async (t) => {
    t.equal(commands.length, 5);
    const [port] = await freePorts(1);
    const here = (command: string) =>
      command
        .replace('/var/lib/roost', 'data')
        .replace('0.0.0.0:15012', `127.0.0.1:${port}`)
        .replace('control-plane:15012', `127.0.0.1:${port}`)
        .replace('…', '--service frontend.shop');
    const [openssl = '', operator = '', token = '', controlPlane = '', status = ''] = commands.map(here);
    const script = SCRIPT([openssl, operator, token], [controlPlane, here(sidecar)], status);
    const anyPort = { ROOST_HTTP: '127.0.0.1:0', ROOST_ADMIN: '127.0.0.1:0' };
    const ports = { ...anyPort, ROOST_OUTBOUND: '127.0.0.1:0', ROOST_INBOUND: '127.0.0.1:0' };
    const shell = spawn('bash', ['-c', script], { cwd: t.testdir(), env: { ...process.env, ...ports } });
    t.teardown(() => shell.kill());
    let [output, errors] = ['', ''];
    shell.stdout.on('data', (data) => (output += String(data)));
    shell.stderr.on('data', (data) => (errors += String(data)));
    const [code] = await once(shell, 'close');
    t.equal(code, 0, errors);
    t.match(output, /frontend\.shop@\S+ +roost/);
  },
);
