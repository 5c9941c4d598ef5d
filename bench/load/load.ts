import { fileURLToPath } from 'node:url';
import type { ProcessGroup } from '../processes.js';
import { ANSWER_BYTES, type Workload } from '../workloads.js';
import { hasWrk, saturateWithWrk } from './wrk.js';

/** Where requests are sent. */
export interface LoadTarget {
  readonly port: number;
  /** Of a backend that is called without a proxy in between. */
  readonly tls: boolean;
}

interface LoadOptions {
  readonly workload: Workload;
  readonly target: LoadTarget;
  /** File of requests, see `writeRequestPool`. */
  readonly pool: string;
  readonly seconds: number;
  readonly cores: string | undefined;
}

export interface SaturateOptions extends LoadOptions {
  /** Threads or processes that make the load. */
  readonly threads: number;
}

export interface OpenLoopOptions extends LoadOptions {
  /** Requests a second, whether the target keeps up or not. */
  readonly rate: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Wrong status, wrong length, connection broken, or no answer at all. */
  readonly errors: number;
}

/** Latencies in milliseconds, each from the instant at which its request was meant to be sent. */
export interface OpenLoopResult extends LoadResult {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  /** How late requests were sent, 99th percentile, in milliseconds: what the generator itself adds. */
  readonly lateP99: number;
}

/** What a worker process is told, as one JSON argument. */
export interface WorkerTask {
  readonly port: number;
  readonly tls: boolean;
  readonly pool: string;
  readonly connections: number;
  readonly newConnections: boolean;
  readonly answerBytes: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** 0: as many as the target answers. */
  readonly rate: number;
  readonly seed: number;
}

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
const OPEN_LOOP_WARM_UP_SECONDS = 0.5;

/** As many requests as the target answers: by `wrk`, or where that is missing by our own generator. */
export async function saturate(processes: ProcessGroup, options: SaturateOptions): Promise<LoadResult> {
  if (hasWrk()) return saturateWithWrk(processes, options);
  const each = Math.ceil(options.workload.connections / options.threads);
  const tasks = Array.from({ length: options.threads }, (_, seed) =>
    runWorker<LoadResult>(processes, options, taskOf(options, { connections: each, rate: 0, seed })),
  );
  return (await Promise.all(tasks)).reduce((sum, part) => ({
    requests: sum.requests + part.requests,
    seconds: Math.max(sum.seconds, part.seconds),
    bytes: sum.bytes + part.bytes,
    errors: sum.errors + part.errors,
  }));
}

/** Requests at times drawn beforehand, the same for every target (Poisson arrivals). */
export function openLoop(processes: ProcessGroup, options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { workload, rate } = options;
  const task = taskOf(options, { connections: workload.connections, rate, seed: 1 });
  return runWorker<OpenLoopResult>(processes, options, task);
}

function taskOf(options: LoadOptions, rest: Pick<WorkerTask, 'connections' | 'rate' | 'seed'>): WorkerTask {
  const { workload, target, pool, seconds } = options;
  return {
    port: target.port,
    tls: target.tls,
    pool,
    newConnections: workload.newConnections,
    answerBytes: ANSWER_BYTES[workload.answer],
    seconds,
    warmUpSeconds: rest.rate > 0 ? OPEN_LOOP_WARM_UP_SECONDS : 0,
    ...rest,
  };
}

async function runWorker<T>(processes: ProcessGroup, { cores }: LoadOptions, task: WorkerTask): Promise<T> {
  const args = [WORKER, JSON.stringify(task)];
  const { stdout } = await processes.run(process.execPath, args, { name: 'the load generator', cores });
  return JSON.parse(stdout) as T;
}
