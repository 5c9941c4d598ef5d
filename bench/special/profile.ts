import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBackends } from '../backends/backends.js';
import type { Bench } from '../comparison.js';
import { writeRequestPool } from '../load/request-pool.js';
import { measureSaturation, warmUp } from '../measure/cell.js';
import { startRoost } from '../peers/roost.js';
import { type CpuProfile, profileClockUs, selfTimes, type Window } from '../profile.js';
import { formatNumber } from '../report/number-format.js';
import { textTable } from '../report/text-table.js';
import { workloadNamed } from '../workloads.js';

const WARM_UP_SECONDS = 3;
const INTERVAL_US = 200;
const SHOWN = 40;

/** Where the sidecar's time goes: self time by function, from V8's sampling profiler. */
export async function profileSidecar(bench: Bench): Promise<string> {
  const { processes, placement, options } = bench;
  const workload = workloadNamed(options.workloads[0] ?? 'small');
  const backends = await startBackends(processes, { tls: false, cores: placement.loadCores });
  const folder = join(processes.folder, 'profile');
  mkdirSync(folder);
  const pool = join(processes.folder, 'profile.requests');
  writeRequestPool(pool, workload);
  const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${INTERVAL_US}`];
  const context = { processes, backends, folder: join(folder, 'roost'), ...placement };
  const peer = await startRoost(context, { affinity: 'balanced', config: [], nodeArgs });
  const measurement = { processes, placement, peer, workload, pool, seconds: options.seconds };
  bench.progress.step(`profile: warming up, ${workload.title}`);
  await warmUp(measurement, WARM_UP_SECONDS);
  bench.progress.step(`profile: ${workload.title}`);
  const fromUs = profileClockUs();
  const { cpuUs } = await measureSaturation(measurement);
  const window = { fromUs, toUs: profileClockUs() };
  // The profile is written as the process ends.
  await peer.stop();
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error('the sidecar left no profile');
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
  return report(profile, window, cpuUs, workload.title);
}

function report(profile: CpuProfile, window: Window, cpuUs: number, title: string): string {
  const { functions, busyUs } = selfTimes(profile, window);
  const rows = functions
    .slice(0, SHOWN)
    .map(({ name, where, selfUs }) => [
      `${((selfUs / busyUs) * 100).toFixed(1).padStart(5)} %`,
      formatNumber((selfUs / busyUs) * cpuUs),
      name,
      where,
    ]);
  const table = textTable([['  self', 'µs/req', 'function', ''], ...rows]);
  return `${title}: ${formatNumber(cpuUs)} µs of CPU a request, profiler included\n\n${table}\n`;
}
