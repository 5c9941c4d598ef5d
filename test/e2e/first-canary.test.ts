import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { freePorts } from '../../bench/free-ports.js';

/** `docs/first-canary.md`: its files and commands, as they are written there, in one shell. */

const root = fileURLToPath(new URL('../../../', import.meta.url));
const page = readFileSync(join(root, 'docs/first-canary.md'), 'utf8');

interface Block {
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
  ([, language = '', text = '']) => ({ language, text }),
);

/** Of a block that begins with a comment which names a file. */
const fileOf = ({ text }: Block) => /^(?:\/\/|#) ([\w-]+\.\w+)\n/.exec(text)?.[1];

/** `uniq -c` pads its counts differently on each system. */
const trimmed = (output: string) => output.replace(/^ +/gm, '').trim();

const AFTER_BLOCK = '--- end of block';

/** The ports that the page uses, each in place of one that is free. */
async function replacedPorts(): Promise<{ replace: (text: string) => string; env: Record<string, string> }> {
  const names = ['9001', '9002', '15001'];
  const ports = await freePorts(names.length + 3);
  const free = new Map(names.map((name, i) => [name, String(ports[i])]));
  const [grpc, http, admin] = ports.slice(names.length).map((port) => `127.0.0.1:${port}`) as [
    string,
    string,
    string,
  ];
  return {
    replace: (text) => text.replace(/\b(9001|9002|15001)\b/g, (name) => free.get(name) as string),
    env: {
      ROOST_GRPC: grpc,
      ROOST_HTTP: http,
      ROOST_ADMIN: admin,
      ROOST_OUTBOUND: `127.0.0.1:${free.get('15001')}`,
      ROOST_CONTROL_PLANE: grpc,
    },
  };
}

/** What each block of commands prints on standard output; a command that fails ends the shell. */
async function runInOneShell(home: string, commands: readonly string[], env: Record<string, string>) {
  const script = [
    'set -e; shopt -s expand_aliases; trap "kill \\$(jobs -p) 2>/dev/null; wait" EXIT',
    ...commands.map((text) => `${text}\necho '${AFTER_BLOCK}'`),
  ].join('\n');
  const shell = spawn('bash', ['-c', script], { cwd: root, env: { ...process.env, ...env, HOME: home } });
  let output = '';
  let errors = '';
  shell.stdout.on('data', (data) => (output += String(data)));
  shell.stderr.on('data', (data) => (errors += String(data)));
  const [code] = await once(shell, 'close');
  return { code, errors, outputs: output.split(`${AFTER_BLOCK}\n`) };
}

const missing = ['bash', 'curl'].filter((name) => spawnSync(name, ['--version']).status !== 0);

t.test(
  'the tutorial’s commands do what it says',
  { skip: missing.length > 0 && `${missing.join(' and ')} not installed` },
  async (t) => {
    const home = t.testdir({ 'roost-tutorial': {} });
    const { replace, env } = await replacedPorts();
    for (const block of blocks) {
      const name = fileOf(block);
      if (name !== undefined) writeFileSync(join(home, 'roost-tutorial', name), replace(block.text));
    }
    const commands = blocks.filter(({ language }) => language === 'sh');
    t.ok(commands.length > 10);
    const texts = commands.map(({ text }) => replace(text).replace('npm ci && npm run build\n', ''));
    const { code, errors, outputs } = await runInOneShell(home, texts, env);
    t.equal(code, 0, errors);
    for (const [i, block] of blocks.entries()) {
      const before = blocks[i - 1];
      if (block.language !== 'text' || before === undefined) continue;
      const printed = trimmed(outputs[commands.indexOf(before)] ?? '');
      t.ok(printed.endsWith(trimmed(block.text)), `${before.text}prints\n${block.text}and not\n${printed}`);
    }
  },
);
