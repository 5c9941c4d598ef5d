import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { fileReport, summary } from '../../runner/report.js';
import { type FileResult, runFile } from '../../runner/run-file.js';
import { selectFiles } from '../../runner/select-files.js';
import { temporaryFolder } from '../../support/folder.js';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

/** A project whose built tests are these texts. */
function project(root: string, files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
}

t.test('tests are chosen by source, by built file and by folder; the longest kinds run first', async (t) => {
  const root = await temporaryFolder(t);
  project(root, {
    'dist/test/unit/a.test.js': '',
    'dist/test/unit/deep/b.test.js': '',
    'dist/test/unit/deep/b.js': '',
    'dist/test/unit/support/c.test.js': '',
    'dist/test/e2e/d.test.js': '',
  });
  const [a, b, d] = ['dist/test/unit/a.test.js', 'dist/test/unit/deep/b.test.js', 'dist/test/e2e/d.test.js'];
  for (const [paths, files] of [
    [[], [d, a, b]],
    [['test/unit/a.test.ts'], [a]],
    [['./test/unit/deep/'], [b]],
    [
      ['dist/test/unit/a.test.js', 'test/unit'],
      [a, b],
    ],
    [[join(root, 'test/e2e')], [d]],
    [['test'], [d, a, b]],
  ] as const)
    t.same(selectFiles(root, paths), files, paths.join(' '));
  t.throws(() => selectFiles(root, ['test/unit/x.test.ts']), /no tests found in test\/unit\/x\.test\.ts/);
  t.throws(() => selectFiles(root, ['test/unit/support']), /no tests found/);
});

t.test('a file is counted by its assertions, with its skips and the time of each test', async (t) => {
  const root = await temporaryFolder(t);
  const text = [
    'TAP version 14',
    '# Subtest: first',
    '    ok 1 - a',
    '    not ok 2 - b',
    '    1..2',
    'not ok 1 - first # time=1500ms',
    'ok 2 - second # SKIP no peer',
    '# Subtest: third',
    '    1..0',
    'ok 3 - third',
    '1..3',
  ];
  project(root, { 'x.js': `console.log(${JSON.stringify(text.join('\n'))}); process.exitCode = 1;` });
  const result = await runFile('x.js', { root, timeoutMs: 60_000 });
  t.match(result, {
    passed: 2,
    failed: 1,
    skipped: [{ title: 'second', reason: 'no peer' }],
    tests: [
      { title: 'first', ms: 1500 },
      { title: 'second', ms: 0 },
      { title: 'third', ms: 0 },
    ],
    output: /not ok 2 - b/,
  });
  t.match(fileReport(result), /^not ok x\.ts \(1 failed, 2 passed, .*\n {4}# SKIP second: no peer\n/);
});

t.test(
  'a file that crashes, reports nothing, or leaves a process behind does not pass or hang',
  async (t) => {
    const root = await temporaryFolder(t);
    const leave = `import { spawn } from 'node:child_process';
    spawn(process.execPath, ['-e', 'setTimeout(() => {}, 3600000)'], { stdio: 'inherit' });`;
    project(root, {
      'package.json': '{"type":"module"}',
      'crash.js': 'console.log("ok 1 - a\\n1..1"); throw new Error("crash after the tests")',
      'empty.js': '',
      'left.js': `${leave} console.log("ok 1 - a\\n1..1"); process.exit(0)`,
      'hang.js': `${leave} setInterval(() => {}, 1000)`,
    });
    const run = (file: string) => runFile(file, { root, timeoutMs: 60_000 });
    t.match(await run('crash.js'), { passed: 1, failed: 1, output: /crash after the tests/ });
    t.match(await run('empty.js'), { passed: 0, failed: 1 });
    t.match(await run('left.js'), { passed: 1, failed: 0, output: '' });
    t.match(await runFile('hang.js', { root, timeoutMs: 500, graceMs: 500 }), {
      failed: 1,
      output: /killed after 1 s/,
    });
  },
);

t.test('the summary names the slowest, then what failed, and ends with the totals', async (t) => {
  const results: FileResult[] = Array.from({ length: 12 }, (_, i) => ({
    file: `dist/test/unit/file-${i}.test.js`,
    passed: 2,
    failed: i === 3 ? 1 : 0,
    skipped: [],
    tests: [{ title: `test ${i}`, ms: i * 100 }],
    ms: i * 1000,
    output: '',
  }));
  const lines = summary(results, 5000).split('\n');
  t.match(lines[2], /^ +11\.0 s {2}test\/unit\/file-11\.test\.ts$/);
  t.equal(lines.filter((line) => / › test \d+$/.test(line)).length, 10, 'the ten slowest tests');
  t.same(lines.slice(-5), [
    'Failed:',
    '  test/unit/file-3.test.ts',
    '',
    '12 files, 5.0 s, 0 skipped',
    '24 passed, 1 failed',
  ]);
});

t.test('bad arguments are refused with the usage', async (t) => {
  const main = fileURLToPath(new URL('../../runner/main.js', import.meta.url));
  for (const args of [['--jobs', '0'], ['--timeout', 'x'], ['--nothing'], ['test/no-such-folder']]) {
    const [code, stderr] = await new Promise<[unknown, string]>((resolve) =>
      execFile(process.execPath, [main, ...args], { cwd: ROOT }, (error, _, stderr) =>
        resolve([error?.code, stderr]),
      ),
    );
    t.equal(code, 2, args.join(' '));
    t.match(stderr, /npm test -- \[--jobs N\]/);
  }
});
