import { type LoadTarget, openLoop, saturate } from '../load/load.js';
import type { Placement } from '../machine.js';
import type { StartedPeer } from '../peers/peer.js';
import type { ProcessGroup, RunningProcess } from '../processes.js';
import type { RoundFigures } from '../report/results.js';
import { ANSWER_BYTES, type Workload } from '../workloads.js';
import { type Usage, usageOf } from './process-usage.js';

/** Memory is looked at so often while load runs. */
const SAMPLE_MS = 250;
/** A fresh proxy is driven for so long before anything counts: Node compiles what it sees often. */
const WARM_UP_SECONDS = 2;

export interface Measurement {
  readonly processes: ProcessGroup;
  readonly placement: Placement;
  readonly peer: StartedPeer;
  readonly workload: Workload;
  /** File of the workload's requests. */
  readonly pool: string;
  readonly seconds: number;
}

/** What a proxy does at saturation, and what that costs it. */
export interface Saturation {
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly cpuUs: number;
  readonly busyCores: number;
  readonly residentBytes: number;
  readonly errors: number;
}

/** Undefined: the peer cannot do this workload. */
export function targetOf(peer: StartedPeer, workload: Workload): LoadTarget | undefined {
  const port = workload.tls ? peer.tlsPort : peer.port;
  return port === undefined ? undefined : { port, tls: workload.tls && peer.proxy === undefined };
}

/** Saturates the proxy, then sends at the fixed rate. @throws Error where the proxy does not live through it */
export async function measureCell(measurement: Measurement, rate: number): Promise<RoundFigures> {
  const { processes, placement, peer, workload, pool, seconds } = measurement;
  await warmUp(measurement, WARM_UP_SECONDS);
  const saturation = await measureSaturation(measurement);
  const watch = watchMemory(measurement);
  const target = targetOf(peer, workload) as LoadTarget;
  const cores = placement.loadCores;
  const open = await openLoop(processes, { workload, target, pool, seconds, cores, rate });
  const proxy = proxyOf(measurement);
  if (proxy?.hasEnded) throw new Error(`${proxy.name} ended under ${workload.name}: ${proxy.output.trim()}`);
  const residentBytes = Math.max(saturation.residentBytes, watch.stop());
  const { p50, p90, p99, p999, lateP99 } = open;
  return {
    ...saturation,
    p50,
    p90,
    p99,
    p999,
    lateP99,
    residentBytes,
    errors: saturation.errors + open.errors,
  };
}

/** Lets connections be made and compilers see the code before anything counts. */
export async function warmUp(measurement: Measurement, seconds: number): Promise<void> {
  await runLoad(measurement, seconds);
}

export async function measureSaturation(measurement: Measurement): Promise<Saturation> {
  const { workload, seconds } = measurement;
  const watch = watchMemory(measurement);
  const startedAt = performance.now();
  const before = usage(measurement);
  const result = await runLoad(measurement, seconds);
  const cpuMs = usage(measurement).cpuMs - before.cpuMs;
  const elapsedMs = performance.now() - startedAt;
  const short = isShort(result.bytes, result.requests, workload);
  return {
    requestsPerSecond: result.requests / result.seconds,
    bytesPerSecond: result.bytes / result.seconds,
    cpuUs: (cpuMs * 1000) / result.requests,
    busyCores: cpuMs / Math.min(elapsedMs, result.seconds * 1000),
    residentBytes: watch.stop(),
    errors: result.errors + (short ? result.requests : 0),
  };
}

/** `wrk` counts bytes and not bodies: on average each answer must be at least as long as its body. */
function isShort(bytes: number, requests: number, workload: Workload): boolean {
  return bytes < requests * ANSWER_BYTES[workload.answer];
}

function runLoad({ processes, placement, peer, workload, pool }: Measurement, seconds: number) {
  const target = targetOf(peer, workload);
  if (target === undefined) throw new Error(`this peer does not do ${workload.name}`);
  return saturate(processes, {
    workload,
    target,
    pool,
    seconds,
    cores: placement.loadCores,
    threads: Math.min(2, placement.loadCoreCount),
  });
}

type Subject = Pick<Measurement, 'peer' | 'workload'>;

function proxyOf({ peer, workload }: Subject): RunningProcess | undefined {
  return (workload.tls ? peer.tlsProxy : undefined) ?? peer.proxy;
}

function usage(subject: Subject): Usage {
  const proxy = proxyOf(subject);
  return proxy === undefined ? { cpuMs: 0, endedChildrenMs: 0, residentBytes: 0 } : usageOf(proxy.pid);
}

function watchMemory(subject: Subject): { stop(): number } {
  let most = usage(subject).residentBytes;
  const timer = setInterval(() => {
    most = Math.max(most, usage(subject).residentBytes);
  }, SAMPLE_MS);
  return {
    stop() {
      clearInterval(timer);
      return most;
    },
  };
}
