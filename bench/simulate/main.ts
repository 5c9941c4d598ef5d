import { type CommandLine, parseCommandLine, USAGE } from './options.js';
import { printReport, reportOn } from './report.js';
import { Simulation } from './simulation.js';

const EXIT = { passed: 0, failed: 1, usage: 2 } as const;
const PROGRESS_INTERVAL_MS = 2000;

function main(): number {
  let commandLine: CommandLine;
  try {
    commandLine = parseCommandLine(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return EXIT.usage;
  }
  if (commandLine.help) {
    process.stdout.write(USAGE);
    return EXIT.passed;
  }
  const { options, json } = commandLine;
  const startedMs = performance.now();
  const simulation = new Simulation(options);
  simulation.run({ onStep: progress(simulation, options.steps, startedMs) });
  const { user, system } = process.cpuUsage();
  const took = { seconds: (performance.now() - startedMs) / 1000, cpuSeconds: (user + system) / 1e6 };
  const report = reportOn(simulation, options, took);
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : `${printReport(report)}\n`);
  return report.passed ? EXIT.passed : EXIT.failed;
}

/** Tells on standard error how far the run has come, every now and then. */
function progress(simulation: Simulation, steps: number, startedMs: number) {
  let lastMs = startedMs;
  return (step: number): undefined => {
    const nowMs = performance.now();
    if (nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
    lastMs = nowMs;
    const { requests, sessionsBegun, oracle } = simulation;
    process.stderr.write(
      `step ${step} of ${steps}: ${sessionsBegun} sessions, ${requests} requests, ` +
        `${oracle.tally.unexplained} unexplained, ${Math.round((nowMs - startedMs) / 1000)} s\n`,
    );
  };
}

process.exitCode = main();
