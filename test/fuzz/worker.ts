import { workerData } from 'node:worker_threads';
import { Fuzzer } from './fuzzer.js';
import type { WorkerSettings } from './shared-state.js';

await new Fuzzer(workerData as WorkerSettings).run();
