import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { CORPUS_FOLDER, keep } from './corpus.js';
import type { Target } from './invariants.js';
import { type Report, SharedState, TARGETS, type WorkerSettings } from './shared-state.js';

const USAGE = `npm run fuzz -- [--seconds N] [--seed N] [--target ${TARGETS.join('|')}]… [--grow] [--corpus DIR]

Feeds made-up bytes to the codecs of HTTP/1.1 and HTTP/2 until the time is over (60 s), or something that must hold does not: then
the input goes into the corpus, and the exit code is 1. The same seed makes the same inputs, while the code and the
corpus are the same. --grow keeps inputs that reach code which no other does.`;

/** An input that takes so long is taken for one that never ends, however slow the machine. */
const HANG_MS = 60_000;
const WATCH_MS = 1000;

function readSettings(): Omit<WorkerSettings, 'memory'> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      target: { type: 'string', multiple: true, default: [...TARGETS] },
      corpus: { type: 'string', default: CORPUS_FOLDER },
      grow: { type: 'boolean', default: false },
    },
  });
  const targets = values.target as Target[];
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  const isRight =
    seconds > 0 && Number.isInteger(seed) && targets.every((target) => TARGETS.includes(target));
  if (!isRight) throw new TypeError('a value is not what it should be');
  return { seconds, seed, targets, corpus: values.corpus, grow: values.grow };
}

/** Fuzzes in a thread of its own, and ends it where it hangs. */
function fuzz(settings: Omit<WorkerSettings, 'memory'>): Promise<Report> {
  const state = new SharedState();
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: { ...settings, memory: state.memory } satisfies WorkerSettings,
  });
  return new Promise((resolve, reject) => {
    let last = -1;
    let sinceMs = 0;
    const watch = setInterval(() => {
      const { executions, target, input } = state;
      sinceMs = executions === last ? sinceMs + WATCH_MS : 0;
      last = executions;
      if (executions === 0 || sinceMs < HANG_MS) return;
      finish({ target, input, message: `no end after ${HANG_MS} ms` });
      void worker.terminate();
    }, WATCH_MS);
    const finish = (hang: NonNullable<Report['crash']>) => {
      clearInterval(watch);
      resolve({ executions: state.executions, bytes: 0, interesting: {}, workPerByte: 0, crash: hang });
    };
    worker.once('message', (report: Report) => {
      clearInterval(watch);
      resolve(report);
    });
    worker.once('error', (error) => {
      clearInterval(watch);
      reject(error);
    });
  });
}

function print(settings: Omit<WorkerSettings, 'memory'>, report: Report, seconds: number): void {
  const { executions, bytes, interesting, workPerByte, crash } = report;
  const rate = Math.round(executions / seconds);
  const fresh = Object.entries(interesting).map(([target, count]) => `${target} ${count}`);
  console.log(
    `seed ${settings.seed}: ${executions} executions in ${seconds.toFixed(1)} s (${rate}/s), ${bytes} bytes`,
  );
  console.log(`inputs that reached something new: ${fresh.join(', ') || 'none'}`);
  console.log(`work: at most ${workPerByte} blocks of code per byte, in batches of inputs`);
  console.log(
    crash === undefined ? '0 crashes, 0 hangs' : `1 crash or hang (${crash.target}): ${crash.message}`,
  );
}

async function main(): Promise<number> {
  let settings: Omit<WorkerSettings, 'memory'>;
  try {
    settings = readSettings();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  const startedAt = performance.now();
  const report = await fuzz(settings);
  print(settings, report, (performance.now() - startedAt) / 1000);
  if (report.crash === undefined) return 0;
  const { target, input, message } = report.crash;
  console.log(
    `kept as ${keep(target, input, message.startsWith('no end') ? 'hang' : 'crash', settings.corpus)}`,
  );
  return 1;
}

process.exitCode = await main();
