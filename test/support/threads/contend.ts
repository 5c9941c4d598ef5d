import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Test } from 'tap';
import type { Contender, Job } from './contender.js';

const PROGRAM = new URL('./contender.js', import.meta.url);

/** Has so many threads do the same job on the same memory at the same time. @returns what each has found */
export async function contend<N extends Job>(
  t: Test,
  job: N,
  threads: number,
  memory: Parameters<Contender[N]>[0],
): Promise<ReturnType<Contender[N]>[]> {
  const start = new Int32Array(new SharedArrayBuffer(8));
  const workers = Array.from({ length: threads }, (_, index) => {
    const worker = new Worker(PROGRAM, { workerData: { job, threads, index, start, memory } });
    t.teardown(() => worker.terminate());
    return worker;
  });
  const results = await Promise.all(workers.map((worker) => once(worker, 'message')));
  return results.map(([result]) => result as ReturnType<Contender[N]>);
}
