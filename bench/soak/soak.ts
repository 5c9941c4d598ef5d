import { execFileSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { createCertificate } from '../backends/backends.js';
import { currentCommit, describeMachine, type Placement, placeOnCores } from '../machine.js';
import { MachineLoad } from '../measure/machine-load.js';
import { type StartedMesh, startMesh } from '../peers/roost.js';
import type { ProcessGroup } from '../processes.js';
import { Disturber } from './disturber.js';
import { growthOf } from './growth.js';
import { LoadDriver } from './load-driver.js';
import { SHARE_OF_SATURATION, type SoakOptions } from './options.js';
import { type Pod, startPods } from './pods.js';
import { judge, type SoakReport } from './report.js';
import { mixWithLeaving } from './request-kinds.js';
import { Sampler, STALL_SECONDS } from './sampler.js';
import { SoakService } from './service.js';
import { askSidecar, loopDelaysBetween } from './sidecar-figures.js';

/** Growth looks at what comes after; at most a sixth of the run. */
const WARM_UP_SECONDS = 120;
const COMPILE_SECONDS = 2;
const PROGRESS_MS = 10_000;

interface World {
  readonly mesh: StartedMesh;
  readonly pods: readonly Pod[];
  readonly service: SoakService;
  readonly driver: LoadDriver;
  readonly placement: Placement;
}

type Say = (text: string) => void;

/** Starts everything, soaks, and ends nothing: that is for the owner of the processes. @param say progress, in lines */
export async function soak(processes: ProcessGroup, options: SoakOptions, say: Say): Promise<SoakReport> {
  const placement = placeOnCores();
  pinSelf(placement);
  const certificate = options.tls ? createCertificate(processes.folder) : undefined;
  const pods = await startPods(processes, placement.loadCores, certificate);
  const { proxyCores, loadCores } = placement;
  const mesh = await startMesh(
    { processes, proxyCores, loadCores },
    { nodeArgs: [], config: [], flags: ['--workers', String(options.workers)] },
  );
  const client = new ControlPlaneClient({ host: '127.0.0.1', port: mesh.grpc });
  try {
    const service = new SoakService(client, pods, certificate);
    await service.apply();
    const driver = new LoadDriver(mesh.port, new Map(pods.map((pod) => [pod.name, pod])), options.seed);
    return await run({ mesh, pods, service, driver, placement }, options, say);
  } finally {
    client.close();
  }
}

/** The load is made in this process: it goes where the load goes. */
function pinSelf({ loadCores }: Placement): void {
  if (loadCores !== undefined)
    execFileSync('taskset', ['-a', '-c', '-p', loadCores, String(process.pid)], { stdio: 'pipe' });
}

async function run(world: World, options: SoakOptions, say: Say): Promise<SoakReport> {
  const { pods, service, driver, placement, mesh } = world;
  const saturation = options.rate === undefined ? await saturate(world, options, say) : undefined;
  const rate = options.rate ?? (saturation?.rate as number) * SHARE_OF_SATURATION;
  const machine = MachineLoad.watch();
  const sampler = await Sampler.start(mesh.admin, pods);
  const changesBefore = service.changes;
  const startedAt = performance.now();
  driver.start(rate, mixWithLeaving(options.leaving));
  const disturber = new Disturber({ pods, service, cores: placement.loadCores, seed: options.seed });
  const progress = setInterval(() => say(progressLine(world, sampler, disturber)), PROGRESS_MS);
  try {
    await untilTimeIsUp(options.minutes * 60_000, [disturber.ended, sampler.ended]);
    await stop(world, sampler, disturber);
  } catch (error) {
    // What was first to fail is what to tell; the rest follows from it.
    await Promise.allSettled([stop(world, sampler, disturber)]);
    throw mesh.proxy.hasEnded
      ? new Error(`the sidecar ended: ${mesh.proxy.output}`, { cause: error })
      : error;
  } finally {
    clearInterval(progress);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const found = { sampler, disturber, saturation, rate, seconds, changes: service.changes - changesBefore };
  const report = reportOn(world, options, { ...found, othersCores: machine?.othersCores() });
  return { ...report, promises: judge(report, options.allowStalls) };
}

/** Rejects as soon as one of the others does. */
async function untilTimeIsUp(ms: number, others: readonly Promise<unknown>[]): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([setTimeout(ms, undefined, { signal: over.signal }), ...others]);
  } finally {
    over.abort();
  }
}

async function stop({ driver }: World, sampler: Sampler, disturber: Disturber): Promise<void> {
  try {
    // A pod is brought back before the load ends, so that what is under way finds what it was promised.
    await disturber.stop();
  } finally {
    await driver.stop();
    await sampler.stop();
  }
}

async function saturate({ driver, mesh }: World, { saturationSeconds }: SoakOptions, say: Say) {
  say(`measuring saturation for ${saturationSeconds} s`);
  await driver.saturate(COMPILE_SECONDS);
  const before = await askSidecar(mesh.admin);
  const startedAt = performance.now();
  const rate = await driver.saturate(saturationSeconds);
  const seconds = (performance.now() - startedAt) / 1000;
  const busyCores = ((await askSidecar(mesh.admin)).cpuSeconds - before.cpuSeconds) / seconds;
  say(`saturation: ${Math.round(rate)} requests/s, the sidecar keeps ${busyCores.toFixed(2)} cores busy`);
  return { rate, busyCores };
}

function progressLine({ driver }: World, sampler: Sampler, { kills, removals }: Disturber): string {
  const { tally } = driver;
  const last = sampler.samples.at(-1);
  const memory = ((last?.residentBytes ?? Number.NaN) / 2 ** 20).toFixed(0);
  return (
    `${tally.requests} requests, ${tally.answered} answered, ${tally.failed('lost')} lost, ` +
    `${tally.failed('savable')} savable, ${tally.failed('unexplained')} unexplained, ` +
    `${tally.judgements.flip} flips, ${tally.judgements['hop-without-cause']} hops; ` +
    `${kills} kills, ${removals} removals; ${memory} MiB, ${last?.descriptors} descriptors, ` +
    `${driver.underWay} under way`
  );
}

interface Found {
  readonly sampler: Sampler;
  readonly disturber: Disturber;
  readonly saturation: SoakReport['saturation'];
  readonly rate: number;
  readonly seconds: number;
  readonly changes: number;
  readonly othersCores: number | undefined;
}

function reportOn(world: World, options: SoakOptions, found: Found): Omit<SoakReport, 'promises'> {
  const { sampler, disturber, seconds, changes } = found;
  const warmUpSeconds = Math.min(WARM_UP_SECONDS, seconds / 6);
  const warm = sampler.samples.filter((sample) => sample.seconds >= warmUpSeconds);
  const share = found.saturation === undefined ? '--rate' : `${SHARE_OF_SATURATION * 100} % of saturation`;
  return {
    schema: 1,
    date: new Date().toISOString(),
    commit: currentCommit(),
    machine: describeMachine(),
    node: process.versions.node,
    placement: world.placement.note,
    seed: options.seed,
    tls: options.tls,
    seconds,
    rate: found.rate,
    rateBasis: share,
    saturation: found.saturation,
    ...countsOf(world.driver),
    disturbances: { kills: disturber.kills, removals: disturber.removals, changes },
    sidecar: sampler.rises,
    warmUpSeconds,
    memory: growthOf(warm.map(({ residentBytes }) => residentBytes)),
    descriptors: growthOf(warm.map(({ descriptors }) => descriptors)),
    eventLoop: eventLoopOf(sampler),
    busyCores: (sampler.last.cpuSeconds - sampler.first.cpuSeconds) / seconds,
    othersCores: found.othersCores,
    details: world.driver.tally.details,
    samples: sampler.samples,
  };
}

function countsOf({ tally }: LoadDriver): Pick<SoakReport, 'load' | 'sessions'> {
  const { failures, judgements, requests, answered, left, notSent } = tally;
  const load = {
    requests,
    answered,
    left,
    notSent,
    kinds: Object.fromEntries(tally.kinds),
    savable: Object.fromEntries(failures.savable),
    lost: Object.fromEntries(failures.lost),
    unexplained: Object.fromEntries(failures.unexplained),
    latencyMs: { p50: tally.latencyMs(50), p99: tally.latencyMs(99), p999: tally.latencyMs(99.9) },
  };
  const hopsWithCause = judgements['hop-with-cause'];
  const hopsWithoutCause = judgements['hop-without-cause'];
  const judged = judgements.stayed + hopsWithCause + hopsWithoutCause + judgements.flip;
  return { load, sessions: { judged, flips: judgements.flip, hopsWithCause, hopsWithoutCause } };
}

function eventLoopOf({ first, last, samples }: Sampler): SoakReport['eventLoop'] {
  const delays = loopDelaysBetween(first, last);
  const turns = turnsOf(delays);
  const p99 = delays.find((_, i) => turnsOf(delays.slice(0, i + 1)) >= turns * 0.99);
  const max = delays.findLast(([, n]) => n > 0);
  const then = samples.flatMap(({ stalls, othersCores }) => (stalls > 0 ? [othersCores ?? Number.NaN] : []));
  return {
    turns,
    p99Ms: (p99?.[0] ?? Number.NaN) * 1000,
    maxMs: (max?.[0] ?? Number.NaN) * 1000,
    stalls: turnsOf(delays.filter(([le]) => le > STALL_SECONDS)),
    othersCoresThen: then.length === 0 ? undefined : Math.max(...then),
  };
}

function turnsOf(delays: readonly (readonly [number, number])[]): number {
  return delays.reduce((total, [, n]) => total + n, 0);
}
