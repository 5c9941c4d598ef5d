import { type ChildProcess, spawn } from 'node:child_process';
import { type FinalResults, Parser, type Result } from 'tap-parser';

/** What one test file did. */
export interface FileResult {
  /** The built file, as it was given. */
  readonly file: string;
  /** Assertions, those of subtests included. */
  readonly passed: number;
  readonly failed: number;
  /** Title and reason of every test that was skipped. */
  readonly skipped: readonly { readonly title: string; readonly reason: string }[];
  /** Top-level tests with what each took. */
  readonly tests: readonly { readonly title: string; readonly ms: number }[];
  readonly ms: number;
  /** What the file printed, if it failed: TAP, then standard error. Empty if it passed. */
  readonly output: string;
}

export interface RunOptions {
  /** The project's folder: the working directory of every test. */
  readonly root: string;
  /** tap ends a file that takes longer, with a report of what it was waiting for. */
  readonly timeoutMs: number;
  /** A file that still runs so much later is killed. */
  readonly graceMs?: number;
}

/** Of a file's output at most so much is kept, from the end: a test in a loop must not fill the memory. */
const MAX_OUTPUT_CHARS = 4 << 20;

const running = new Set<ChildProcess>();

/** Runs one test file in a process of its own, and reads its TAP. Never rejects: what goes wrong is a failure. */
export async function runFile(
  file: string,
  { root, timeoutMs, graceMs = 15_000 }: RunOptions,
): Promise<FileResult> {
  const startedAt = performance.now();
  const counts = new Counts();
  let output = '';
  let complain = '';
  const keep = (text: string) => {
    output = (output + text).slice(-MAX_OUTPUT_CHARS);
  };
  // A process group of its own, so that what a test left running ends with it.
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    cwd: root,
    env: { ...process.env, TAP_TIMEOUT: String(timeoutMs / 1000) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  const timer = setTimeout(() => {
    complain += `killed after ${(timeoutMs + graceMs) / 1000} s\n`;
    kill(child);
  }, timeoutMs + graceMs);
  const results = new Promise<FinalResults>((resolve) => {
    const parser = new Parser(resolve);
    counts.watch(parser);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      keep(text);
      parser.write(text);
    });
    child.once('close', () => parser.end());
  });
  child.stderr.setEncoding('utf8').on('data', keep);
  const code = await ended(child);
  clearTimeout(timer);
  running.delete(child);
  const { ok } = await results;
  if (ok && code !== 0) complain += `passed, but ended with ${code}\n`;
  const isEmpty = counts.passed + counts.failed + counts.skipped.length === 0;
  if (isEmpty) complain += 'reported no test\n';
  const failed = ok && code === 0 && !isEmpty ? 0 : Math.max(counts.failed, 1);
  return {
    file,
    passed: counts.passed,
    failed,
    skipped: counts.skipped,
    tests: counts.tests,
    ms: performance.now() - startedAt,
    output: failed === 0 ? '' : output + complain,
  };
}

/** Counts what a file's TAP reports, subtests included. */
class Counts {
  passed = 0;
  failed = 0;
  readonly skipped: { title: string; reason: string }[] = [];
  readonly tests: { title: string; ms: number }[] = [];

  watch(parser: Parser): void {
    let assertionsOfChild = 0;
    parser.on('assert', (result: Result) => {
      if (parser.parent === null) this.tests.push({ title: result.name, ms: result.time ?? 0 });
      // The line that sums up a subtest counts only where the subtest has no assertion of its own.
      if (!result.closingTestPoint || assertionsOfChild === 0) this.count(result);
    });
    parser.on('child', (child: Parser) => {
      assertionsOfChild = 0;
      child.on('assert', () => {
        assertionsOfChild += 1;
      });
      this.watch(child);
    });
  }

  private count({ ok, name, skip }: Result): void {
    if (!ok) this.failed += 1;
    else if (skip === false) this.passed += 1;
    else this.skipped.push({ title: name, reason: skip === true ? '' : skip });
  }
}

/** Ends every file that is running, with all that it started. */
export function endAll(): void {
  for (const child of running) kill(child);
}

/** Its exit code, the signal that ended it, or why it could not be started. */
function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once('error', ({ message }) => resolve(message));
    child.once('close', (code, signal) => resolve(code ?? String(signal)));
    // What the test left behind may hold its output open, and the output would never end.
    child.once('exit', () => kill(child));
  });
}

function kill({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // The whole group has ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
