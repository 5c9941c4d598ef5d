import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

/** What is done with a run when it is over. */
export interface KeepOptions {
  /** Undefined: no file. */
  readonly jsonFile: string | undefined;
  /** The name it is recorded by; undefined: it is not. */
  readonly record: string | undefined;
}

const ROOT = new URL('../../../', import.meta.url);
const RESULTS = 'bench/results';

/**
 * Writes a run to files.
 *
 * @param publish puts a recorded run into the docs
 * @returns the file that it is recorded in, from the project's folder; undefined: it is not
 */
export function keepRun<Run>(
  run: Run,
  { jsonFile, record }: KeepOptions,
  publish: (run: Run, kept: string) => void,
): string | undefined {
  const text = `${JSON.stringify(run, undefined, 1)}\n`;
  if (jsonFile !== undefined) writeFileSync(jsonFile, text);
  if (record === undefined) return undefined;
  const kept = `${RESULTS}/${record}.json`;
  mkdirSync(new URL(`${RESULTS}/`, ROOT), { recursive: true });
  writeFileSync(new URL(kept, ROOT), text);
  publish(run, kept);
  return kept;
}

/** @throws Error where the file is of another benchmark, or of another version of it */
export function readRun<Run extends { readonly schema: unknown }>(file: string, schema: Run['schema']): Run {
  const run = JSON.parse(readFileSync(file, 'utf8')) as Run;
  if (run.schema !== schema) throw new Error(`${file} is no recorded run of this version of the benchmark`);
  return run;
}
