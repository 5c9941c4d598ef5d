import { writeFileSync } from 'node:fs';
import { ProcessGroup } from '../processes.js';
import { Progress } from '../progress.js';
import { HELP, readOptions, type SoakOptions, SoakUsageError } from './options.js';
import { formatReport } from './print-report.js';
import { soak } from './soak.js';

const EXIT = { kept: 0, broken: 1, usage: 2 } as const;

async function main(options: SoakOptions): Promise<number> {
  const processes = new ProcessGroup();
  const progress = new Progress();
  try {
    const report = await soak(processes, options, (text) => progress.step(text));
    progress.end();
    const json = `${JSON.stringify(report, undefined, 1)}\n`;
    if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, json);
    process.stdout.write(options.json ? json : formatReport(report));
    return report.promises.some(({ verdict }) => verdict === 'broken') ? EXIT.broken : EXIT.kept;
  } finally {
    progress.end();
    await processes.stopAll();
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(HELP);
  else process.exitCode = await main(options);
} catch (error) {
  const isUsage = error instanceof SoakUsageError;
  process.stderr.write(
    `soak: ${isUsage ? error.message : (error as Error).stack}\n${isUsage ? '(see --help)\n' : ''}`,
  );
  process.exitCode = isUsage ? EXIT.usage : EXIT.broken;
}
