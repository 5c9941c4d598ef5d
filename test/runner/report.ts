import type { FileResult } from './run-file.js';

const SLOWEST = 10;

/** One line a file, and below it what a failed one printed. */
export function fileReport(result: FileResult): string {
  const { passed, failed, skipped, ms, output } = result;
  const verdict = failed > 0 ? 'not ok' : 'ok';
  const counts = failed > 0 ? `${failed} failed, ${passed} passed` : `${passed} passed`;
  const line = `${verdict} ${sourceOf(result.file)} (${counts}, ${seconds(ms)})`;
  const skips = skipped.map(({ title, reason }) => `    # SKIP ${title}: ${reason}`);
  return [line, ...skips, ...(output === '' ? [] : [indent(output)])].join('\n');
}

/** The slowest files and tests, the files that failed, and the totals. */
export function summary(results: readonly FileResult[], ms: number): string {
  const files = results.map((result) => ({ name: sourceOf(result.file), ms: result.ms }));
  const tests = results.flatMap(({ file, tests }) =>
    tests.map((test) => ({ name: `${sourceOf(file)} › ${test.title}`, ms: test.ms })),
  );
  const failed = results.filter(({ failed }) => failed > 0).map(({ file }) => `  ${sourceOf(file)}`);
  const total = (of: (result: FileResult) => number) => results.reduce((sum, each) => sum + of(each), 0);
  return [
    ...slowest('Slowest files', files),
    ...slowest('Slowest tests', tests),
    ...(failed.length === 0 ? [] : ['', 'Failed:', ...failed]),
    '',
    `${results.length} files, ${seconds(ms)}, ${total(({ skipped }) => skipped.length)} skipped`,
    `${total(({ passed }) => passed)} passed, ${total(({ failed }) => failed)} failed`,
  ].join('\n');
}

function slowest(title: string, list: readonly { readonly name: string; readonly ms: number }[]): string[] {
  const first = list.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  return ['', `${title}:`, ...first.map(({ name, ms }) => `${seconds(ms).padStart(9)}  ${name}`)];
}

function sourceOf(file: string): string {
  return file.replace(/^dist\//, '').replace(/\.js$/, '.ts');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ').trimEnd();
}
