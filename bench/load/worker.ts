import { readFileSync } from 'node:fs';
import { ClosedLoop } from './closed-loop.js';
import type { WorkerTask } from './load.js';
import { OpenLoop } from './open-loop.js';
import { SEPARATOR } from './request-pool.js';

/** The load generator's process: makes the load that its one argument describes, prints the result as JSON. */
const task = JSON.parse(process.argv[2] ?? '{}') as WorkerTask;
const requests = readFileSync(task.pool, 'latin1')
  .split(SEPARATOR)
  .map((text) => Buffer.from(text, 'latin1'));
const loop = task.rate > 0 ? new OpenLoop(task, requests) : new ClosedLoop(task, requests);
const result = await loop.run();
process.stdout.write(JSON.stringify(result), () => process.exit(0));
