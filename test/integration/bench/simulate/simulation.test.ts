import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { MUTANTS } from '../../../../bench/simulate/mutants.js';
import { parseCommandLine, QUICK_RUN, type SimulationOptions } from '../../../../bench/simulate/options.js';
import { printReport, type Report, reportOn } from '../../../../bench/simulate/report.js';
import { SHARING_MUTANTS } from '../../../../bench/simulate/sharing-mutants.js';
import { Simulation } from '../../../../bench/simulate/simulation.js';
import { OPERATIONS } from '../../../../bench/simulate/world/operations.js';

const main = fileURLToPath(new URL('../../../../bench/simulate/main.js', import.meta.url));
const run = promisify(execFile);

/** For slow machines, when this file is run by itself. */
t.setTimeout(300_000);

const QUICK = { ...QUICK_RUN, sessions: 6_000 };
const SMALL: SimulationOptions = { ...QUICK_RUN, sidecars: 4, services: 9, sessions: 1_000, steps: 60 };
const MEDIUM: SimulationOptions = { ...QUICK_RUN, sessions: 5_000, steps: 60 };
/** Those that show themselves less often. */
const RARE: Readonly<Record<string, SimulationOptions>> = {
  'rare-flip': { ...QUICK, sessions: 10_000 },
  'biased-chance': MEDIUM,
  'chance-again': MEDIUM,
  'repin-at-once': MEDIUM,
  'canary-without-stable': QUICK,
  'newer-revision-wins': { ...QUICK, sessions: 10_000 },
  'last-one-wins': QUICK,
  'repins-untold': MEDIUM,
  'one-pod-untold': MEDIUM,
};

/** Runs until the first decision that is not explained, if there is one. */
function simulate(options: SimulationOptions): Report {
  const simulation = new Simulation(options);
  simulation.run({ onStep: () => (simulation.offence === undefined ? undefined : 'stop') });
  return reportOn(simulation, options, { seconds: 1, cpuSeconds: 1 });
}

t.test('a quick run has every kind of change, and not one flip or hop without a reason', async (t) => {
  const report = simulate(QUICK);
  t.equal(report.sessions, QUICK.sessions);
  t.same(report.unexplained, { flips: 0, hops: 0, others: 0 }, printReport(report));
  t.ok(report.passed, printReport(report));
  for (const kind of [
    ...Object.keys(OPERATIONS),
    'pod lost',
    'pod returned',
    'release lost',
    'release returned',
  ])
    t.ok((report.changes[kind] ?? 0) > 0, kind);
  for (const [what, count] of Object.entries(report.fleet)) t.ok(count > 0, what);
  t.same(
    report.shares.map(({ sample }) => sample),
    ['balanced', 'chance', 'persistent', 'all'],
  );
});

t.test('the same seed gives the same history, and another seed another', async (t) => {
  const history = (seed: number) => {
    const { seconds, peakMemoryMb, options, ...rest } = simulate({ ...SMALL, sessions: 300, seed });
    return rest;
  };
  const first = history(7);
  t.same(first, history(7));
  t.notSame(first.flips, history(8).flips);
});

for (const [mutant, { breaks }] of Object.entries({ ...MUTANTS, ...SHARING_MUTANTS })) {
  t.test(`a decision that is wrong is noticed: ${mutant} (${breaks})`, async (t) => {
    const report = simulate({ ...(RARE[mutant] ?? SMALL), mutant });
    t.notOk(report.passed);
    if (mutant === 'biased-chance') {
      const none = { flips: 0, hops: 0, others: 0 };
      t.same(report.unexplained, none, 'every single draw is possible; the shares alone show it');
      return;
    }
    const { flips, hops, others } = report.unexplained;
    t.ok(flips + hops + others > 0, 'and the history of the session shows it');
    t.match(report.offence?.history.at(-1), /<<< /);
  });
}

t.test(
  'the process: exits 0 with a report, 1 where something is unexplained, 2 for bad options',
  async (t) => {
    const args = ['--quick', '--sessions', '500', '--steps', '20'];
    const passed = await run(process.execPath, [main, ...args, '-o', 'json']);
    t.match(JSON.parse(passed.stdout), { passed: true, sessions: 500, options: { steps: 20 } });
    const failed: unknown = await run(process.execPath, [main, ...args, '--mutant', 'no-table']).catch(
      (e) => e,
    );
    t.match(failed, { code: 1, stdout: /unexplained: [1-9].*\n\nfirst: request/ });
    const refused: unknown = await run(process.execPath, [main, '--sessions', 'many']).catch((e) => e);
    t.match(refused, { code: 2, stderr: /--sessions takes a whole number from 1 to/ });
    t.match((await run(process.execPath, [main, '--help'])).stdout, /--mutant NAME/);
  },
);

t.test('options that are unknown or out of range are refused', async (t) => {
  for (const args of [
    ['--seeds', '1'],
    ['--sidecars', '0'],
    ['--services', '251'],
    ['--mutant', 'x'],
    ['-o', 'yaml'],
  ])
    t.throws(() => parseCommandLine(args), args.join(' '));
  t.match(parseCommandLine(['--seed', '9', '--mutant', 'no-table']), {
    options: { seed: 9, mutant: 'no-table' },
  });
});
