import { join } from 'node:path';
import { type Backends, startBackends } from '../backends/backends.js';
import { buildEarlier } from '../earlier-command.js';
import { writeRequestPool } from '../load/request-pool.js';
import { measureSaturation, warmUp } from '../measure/cell.js';
import { ROOST, type StartedRoost, startRoost } from '../peers/roost.js';
import { workloadNamed } from '../workloads.js';
import { type SessionFigure, type SessionLab, withRange } from './lab.js';

/** Long enough that every session of the load is known, and that the code is compiled. */
const WARM_UP_SECONDS = 5;
/** The first file of the sharing of pins. */
const FIRST_OF_SHARING = 'src/sessions/shared-pin.ts';

/**
 * `before`: the earlier version. `alone`: this version's sidecar at the earlier control plane, which shares no pins.
 * `shared`: this version.
 */
const ARMS = ['before', 'alone', 'shared'] as const;
type Arm = (typeof ARMS)[number];
type Costs = Readonly<Record<Arm, number>>;

/**
 * CPU of the sidecar for a request of a known session, beside that of an earlier version. All run from beginning to end
 * and are measured in turn, so that what the machine does to all of them cancels out in the ratio of a round.
 */
export async function measureCpu(lab: SessionLab): Promise<SessionFigure[]> {
  const { options, processes, placement, progress } = lab;
  const { base, rounds } = options;
  progress.step('cpu: building the earlier version');
  const earlier = await buildEarlier(base === undefined ? { before: FIRST_OF_SHARING } : { commit: base });
  const backends = await startBackends(processes, { tls: false, cores: placement.loadCores });
  const peers = await startArms(lab, backends, earlier);
  const done: Costs[] = [];
  for (let round = 0; round < rounds; round++) {
    progress.step(`cpu: round ${round + 1} of ${rounds}`);
    const costs = { before: 0, alone: 0, shared: 0 };
    const order = ARMS.map((_, i) => ARMS[(i + round) % ARMS.length] as Arm);
    for (const arm of order) costs[arm] = await cpuOf(lab, peers[arm]);
    done.push(costs);
  }
  for (const arm of ARMS) await peers[arm].stop();
  return figures(done, base);
}

async function startArms(
  lab: SessionLab,
  backends: Backends,
  earlier: string,
): Promise<Record<Arm, StartedRoost>> {
  const start = async (arm: Arm, sidecar: string, controlPlane: string) => {
    const folder = join(lab.processes.folder, arm);
    const context = { processes: lab.processes, backends, folder, ...lab.placement };
    const programs = { sidecar, controlPlane };
    const peer = await startRoost(context, { affinity: 'persistent', config: [], nodeArgs: [], programs });
    lab.progress.step(`cpu: warming up (${arm})`);
    await warmUp(measurementOf(lab, peer), WARM_UP_SECONDS);
    return peer;
  };
  return {
    before: await start('before', earlier, earlier),
    alone: await start('alone', ROOST, earlier),
    shared: await start('shared', ROOST, ROOST),
  };
}

function measurementOf({ processes, placement, options }: SessionLab, peer: StartedRoost) {
  const workload = workloadNamed('small');
  const pool = join(processes.folder, 'cpu.requests');
  writeRequestPool(pool, workload);
  return { processes, placement, peer, workload, pool, seconds: options.seconds };
}

async function cpuOf(lab: SessionLab, peer: StartedRoost): Promise<number> {
  const { cpuUs, errors } = await measureSaturation(measurementOf(lab, peer));
  if (errors > 0) throw new Error(`${errors} requests failed while CPU was measured`);
  return cpuUs;
}

function figures(rounds: readonly Costs[], base = 'before sharing'): SessionFigure[] {
  const us = (name: string, arm: Arm): SessionFigure => ({
    name: `CPU a request, known sessions: ${name}`,
    figure: `${withRange(
      rounds.map((costs) => costs[arm]),
      1,
    )} µs`,
  });
  const ratio = (name: string, of: Arm, by: Arm): SessionFigure => ({
    name: `CPU a request, known sessions: ${name}`,
    figure: `${withRange(
      rounds.map((costs) => costs[of] / costs[by]),
      3,
    )} ×`,
    goal: '≤ 1.02 ×',
  });
  return [
    us(`the version ${base}`, 'before'),
    us('this version, no sharing', 'alone'),
    us('this version, sharing', 'shared'),
    ratio(`this version by the version ${base}`, 'shared', 'before'),
    // Both have the same session table: what sharing changed in a look-up does not show here.
    ratio('with the stream of pins by without it', 'shared', 'alone'),
  ];
}
