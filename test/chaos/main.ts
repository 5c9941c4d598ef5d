import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Progress } from '../../bench/progress.js';
import { chaos } from './chaos.js';
import { canIsolate, isIsolated, runIsolated } from './isolation.js';
import { ChaosUsageError, HELP, type Options, readOptions } from './options.js';
import { formatReport, isClean } from './report.js';

const EXIT = { kept: 0, broken: 1, usage: 2 } as const;

async function main(options: Options): Promise<number> {
  const progress = new Progress();
  const report = await chaos({
    ...options,
    isolated: isIsolated(),
    onProgress: (text, done) => progress.step(text, Math.min(1, done)),
  });
  progress.end();
  const json = `${JSON.stringify(report, undefined, 1)}\n`;
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, json);
  process.stdout.write(options.json ? json : formatReport(report));
  return isClean(report) ? EXIT.kept : EXIT.broken;
}

try {
  const args = process.argv.slice(2);
  const options = readOptions(args);
  if (options.help) process.stdout.write(HELP);
  else if (!isIsolated() && canIsolate())
    process.exitCode = await runIsolated(fileURLToPath(import.meta.url), args);
  else process.exitCode = await main(options);
} catch (error) {
  const isUsage = error instanceof ChaosUsageError;
  process.stderr.write(
    `chaos: ${isUsage ? error.message : (error as Error).stack}\n${isUsage ? '(see --help)\n' : ''}`,
  );
  process.exitCode = isUsage ? EXIT.usage : EXIT.broken;
}
