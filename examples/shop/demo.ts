import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { playground } from './playground.js';
import { DemoError, Processes } from './processes.js';
import { Report } from './report.js';
import { Shop } from './shop.js';
import { Stage } from './stage.js';
import { STORY } from './story.js';
import { Customers } from './traffic.js';

const USAGE = `npm run demo [-- --keep]

Starts a shop with a control plane and a sidecar beside every app, and runs a canary through it.

  --keep   leave everything running afterwards, until Ctrl-C
  --help   this text
`;

/** The demo was asked to end. */
class Interrupted extends Error {}

const PARENT_CHECK_MS = 500;

const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) return EXIT.usage;
  if (flags.help) {
    process.stdout.write(USAGE);
    return EXIT.done;
  }
  const colours = process.stdout.isTTY === true && !process.env.NO_COLOR;
  const report = new Report(process.stdout, colours);
  const processes = new Processes(await mkdtemp(join(tmpdir(), 'roost-demo-')));
  const interrupted = interruption();
  let code: number = EXIT.failed;
  try {
    const { shop, kept } = await Promise.race([present(processes, report), processes.crashed, interrupted]);
    code = kept ? EXIT.done : EXIT.failed;
    if (flags.keep) {
      report.line(playground(shop));
      await interrupted.catch(() => {});
    }
  } catch (error) {
    code = error instanceof Interrupted ? EXIT.interrupted : EXIT.failed;
    report.end(explain(error));
  } finally {
    await processes.stop();
  }
  if (code === EXIT.failed) process.stdout.write(`Every process's log is in ${processes.folder}\n`);
  else await rm(processes.folder, { recursive: true, force: true });
  return code;
}

function readFlags(): { keep: boolean; help: boolean } | undefined {
  try {
    const options = {
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    } as const;
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    return undefined;
  }
}

/** Starts the shop and runs the story. @returns whether every number is as promised */
async function present(processes: Processes, report: Report): Promise<{ shop: Shop; kept: boolean }> {
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  report.line('Roost: a canary with sticky sessions, in a shop of seven pods.');
  const shop = await Shop.start(processes, { progress: (text) => report.progress(text) });
  report.say(
    `Up in ${seconds().toFixed(1)} s: a control plane, and ${shop.pods.length} apps with a sidecar each.`,
  );
  const customers = new Customers(shop.entrances);
  const stage = new Stage(shop, customers, report);
  await stage.roost(['status']);
  report.say(
    'Every request below goes through the whole chain: frontend, checkout, payments, and through the',
  );
  report.say('sidecar of each caller and each called pod. Requests alternate between the two pods of the');
  report.say('frontend, whose sidecars share the pins of sessions.');
  for (const { letter, title, play } of STORY) {
    report.begin(letter, title);
    await play(stage);
  }
  await customers.close();
  return { shop, kept: report.finish(seconds()) };
}

/**
 * Rejects when a signal asks the demo to end, or when its parent is gone: the shell between `npm run` and the demo
 * does not forward signals.
 */
function interruption(): Promise<never> {
  const parent = process.ppid;
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => reject(new Interrupted(`ended by ${signal}`)));
    const check = () => {
      if (process.ppid !== parent) reject(new Interrupted('ended, because its parent process has ended'));
    };
    setInterval(check, PARENT_CHECK_MS).unref();
  });
  interrupted.catch(() => {});
  return interrupted;
}

function explain(error: unknown): string {
  if (error instanceof Interrupted || error instanceof DemoError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

process.exit(await main());
