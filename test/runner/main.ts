import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fileReport, summary } from './report.js';
import { endAll, type FileResult, runFile } from './run-file.js';
import { selectFiles } from './select-files.js';

const USAGE = `npm test -- [--jobs N] [--timeout SECONDS] [PATH]…

Runs test files, each in a process of its own, and prints failures, the slowest tests and the totals.
PATH is a test's source or built file, or a folder: npm test -- test/unit/src/routing test/e2e/semantics.test.ts.
No PATH: all tests. --jobs (default: one for each processor, at least 2) files run at a time. A file that takes
longer than --timeout (default: 600) fails. Exit code 1: a test failed.`;

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface Settings {
  readonly files: readonly string[];
  readonly jobs: number;
  readonly timeoutMs: number;
}

function readSettings(): Settings {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      jobs: { type: 'string', default: String(Math.max(availableParallelism(), 2)) },
      timeout: { type: 'string', default: '600' },
    },
  });
  const [jobs, timeout] = [Number(values.jobs), Number(values.timeout)];
  if (!(Number.isInteger(jobs) && jobs > 0))
    throw new TypeError(`--jobs: expected a number, got ${values.jobs}`);
  if (!(timeout > 0)) throw new TypeError(`--timeout: expected seconds, got ${values.timeout}`);
  return { files: selectFiles(ROOT, positionals), jobs, timeoutMs: timeout * 1000 };
}

async function runAll({ files, jobs, timeoutMs }: Settings): Promise<FileResult[]> {
  const waiting = [...files];
  const results: FileResult[] = [];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runFile(file, { root: ROOT, timeoutMs });
      results.push(result);
      console.log(fileReport(result));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return results;
}

async function main(): Promise<number> {
  let settings: Settings;
  try {
    settings = readSettings();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      endAll();
      process.kill(process.pid, signal);
    });
  }
  const startedAt = performance.now();
  const results = await runAll(settings);
  console.log(summary(results, performance.now() - startedAt));
  return results.some(({ failed }) => failed > 0) ? 1 : 0;
}

process.exitCode = await main();
