import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backends, startBackends } from '../backends/backends.js';
import type { Bench } from '../comparison.js';
import { openLoop } from '../load/load.js';
import { writeRequestPool } from '../load/request-pool.js';
import { privateBytes, usageOf } from '../measure/process-usage.js';
import { bigMesh } from '../micro/big-mesh.js';
import { type StartedRoost, startRoost } from '../peers/roost.js';
import { MEBIBYTE } from '../report/number-format.js';
import type { SpecialFigure } from '../report/results.js';
import { workloadNamed } from '../workloads.js';

/** After a start, until compilation and collection have come to rest. */
const SETTLE_MS = 3000;
const CONNECTIONS_SECONDS = 5;
const REQUESTS_PER_SECOND = 1000;
const SAMPLE_MS = 250;

/** Resident memory of the sidecar: idle (also the private part of it), with 1,000 connections that are in use, with 1,000 services. */
export async function measureMemory(bench: Bench): Promise<SpecialFigure[]> {
  const { processes, placement } = bench;
  const backends = await startBackends(processes, { tls: false, cores: placement.loadCores });
  bench.progress.step('memory: an idle sidecar, then 1,000 connections');
  const small = await withSidecar(bench, backends, [], async (roost) => {
    const idle = await settled(roost);
    const idleAlone = privateBytes(roost.proxy.pid);
    return { idle, idleAlone, connected: await whileConnected(bench, roost) };
  });
  bench.progress.step('memory: 1,000 services of 10 endpoints');
  const folder = join(processes.folder, 'big-mesh');
  mkdirSync(folder);
  bigMesh({ services: 1000, endpointsEach: 10, routesEach: 1 }).forEach((service, i) => {
    writeFileSync(join(folder, `${i}.json`), JSON.stringify(service));
  });
  const services = await withSidecar(bench, backends, [folder], settled);
  const figure = (name: string, bytes: number, goal?: number): SpecialFigure => ({
    name: `memory, ${name}`,
    unit: 'MB',
    values: [bytes / MEBIBYTE],
    goal,
  });
  return [
    figure('idle', small.idle, 55),
    ...(small.idleAlone === undefined ? [] : [figure('idle, of that not shared', small.idleAlone)]),
    figure(`1,000 connections at ${REQUESTS_PER_SECOND} requests/s`, small.connected, 90),
    figure('1,000 services of 10 endpoints', services, 110),
  ];
}

async function settled({ proxy }: StartedRoost): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return usageOf(proxy.pid).residentBytes;
}

/** The most that was resident. */
async function whileConnected(
  { processes, placement }: Bench,
  { proxy, port }: StartedRoost,
): Promise<number> {
  const workload = workloadNamed('small-1000');
  const pool = join(processes.folder, 'memory.requests');
  writeRequestPool(pool, workload);
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, usageOf(proxy.pid).residentBytes);
  }, SAMPLE_MS);
  const target = { port, tls: false };
  const seconds = CONNECTIONS_SECONDS;
  const { errors } = await openLoop(processes, {
    workload,
    target,
    pool,
    seconds,
    cores: placement.loadCores,
    rate: REQUESTS_PER_SECOND,
  });
  clearInterval(timer);
  if (errors > 0) throw new Error(`${errors} requests failed while memory was measured`);
  return most;
}

async function withSidecar<T>(
  { processes, placement }: Bench,
  backends: Backends,
  config: readonly string[],
  work: (roost: StartedRoost) => Promise<T>,
): Promise<T> {
  const folder = join(processes.folder, `memory-${config.length}`);
  const context = { processes, backends, folder, ...placement };
  const roost = await startRoost(context, { affinity: 'balanced', config, nodeArgs: [] });
  try {
    return await work(roost);
  } finally {
    await roost.stop();
  }
}
