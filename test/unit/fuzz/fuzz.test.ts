import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { keep, keptInputs } from '../../fuzz/corpus.js';
import { HTTP2_SEEDS } from '../../fuzz/http2-invariants.js';
import { byteByByte, CHECKS, type Cut, everyCut, LIMITS } from '../../fuzz/invariants.js';
import { mutate } from '../../fuzz/mutations.js';
import { Random } from '../../fuzz/random.js';
import { TARGETS } from '../../fuzz/shared-state.js';

const MAIN = fileURLToPath(new URL('../../fuzz/main.js', import.meta.url));

function fuzz(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

for (const target of TARGETS) {
  t.test(`what must hold of ${target} holds of every kept input, wherever it is cut`, async (t) => {
    const inputs = keptInputs(target);
    t.ok(inputs.length > 0, `${inputs.length} inputs`);
    for (const input of inputs) {
      // Of long ones, which take the square of their length, only the start.
      const cuts = everyCut(Math.min(input.length, 200));
      for (const limits of LIMITS) t.doesNotThrow(() => CHECKS[target](input, cuts, limits));
    }
  });
}

t.test('a check notices when a cut makes a difference', async (t) => {
  const inputs = {
    requests: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    responses: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    chunks: '2\r\nok\r\n0\r\n\r\n',
    http2: HTTP2_SEEDS[0]?.toString('latin1') ?? '',
  };
  const loses: Cut = (input) => byteByByte(input).slice(0, -1);
  const changes: Cut = (input) => [input.subarray(0, 5), Buffer.from('X'), input.subarray(6)];
  for (const target of TARGETS) {
    const input = Buffer.from(inputs[target], 'latin1');
    t.doesNotThrow(() => CHECKS[target](input, [byteByByte], LIMITS[0]));
    for (const cut of [loses, changes])
      t.throws(() => CHECKS[target](input, [cut], LIMITS[0]), /depend on where they are cut/, target);
  }
});

t.test('the same seed makes the same inputs', async (t) => {
  const made = (seed: number) => {
    const random = new Random(seed);
    const start = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    return Array.from({ length: 100 }, () => mutate(start, random, [start]).toString('latin1'));
  };
  t.strictSame(made(1), made(1));
  t.not(made(1).join(), made(2).join());
  t.ok(new Set(made(1)).size > 80, 'and they are different from each other');
});

t.test('runs for as long as it is told, and says what it has done', async (t) => {
  const { status, stdout, stderr } = fuzz('--seconds', '1', '--seed', '5');
  t.match(stdout, /^seed 5: \d+ executions in [\d.]+ s \(\d+\/s\)/);
  t.match(stdout, /^0 crashes, 0 hangs$/m, stderr);
  t.equal(status, 0);
});

t.test('refuses what it does not understand', async (t) => {
  for (const wrong of [['--seconds', '0'], ['--seed', 'x'], ['--target', 'x'], ['--other']]) {
    const { status, stderr } = fuzz(...wrong);
    t.equal(status, 2);
    t.match(stderr, /npm run fuzz/);
  }
});

t.test('keeps an input in a file named for what it did', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'roost-corpus-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const input = Buffer.from('\r\n\0\xff', 'latin1');
  t.match(keep('chunks', input, 'crash', folder), /chunks\/crash-[0-9a-f]{16}$/);
  t.equal(readdirSync(join(folder, 'chunks')).length, 1);
  t.same(keptInputs('chunks', folder), [input]);
});
