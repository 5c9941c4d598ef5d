/** What of a `.cpuprofile` (V8's `Profiler.Profile`) the analysis needs. */
export interface CpuProfile {
  /** Microseconds of the machine's monotonic clock, which `process.hrtime` reads, too. */
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      /** `file://…`, `node:…`, or empty for what is native. */
      readonly url: string;
      /** From 0. */
      readonly lineNumber: number;
    };
  }[];
  /** Ids of the nodes that were at the top of the stack, one each sample. */
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

/** Time that a function itself was running, without what it called. */
export interface SelfTime {
  readonly name: string;
  /** `sidecar/http1/header-block.js:117`, `node:net:750`, or `native`. */
  readonly where: string;
  readonly selfUs: number;
}

/** The profiler's own words for doing nothing. */
const IDLE = '(idle)';

/** A part of a profile, on the same clock as {@link CpuProfile.startTime}. */
export interface Window {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Now, on the clock that profiles go by. */
export function profileClockUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Adds up samples by function, the one with most time first. Idle time counts for nothing. */
export function selfTimes(
  { startTime, nodes, samples, timeDeltas }: CpuProfile,
  { fromUs, toUs }: Window,
): { readonly functions: readonly SelfTime[]; readonly busyUs: number } {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, { name: string; where: string; selfUs: number }>();
  let busyUs = 0;
  let atUs = startTime;
  samples.forEach((id, i) => {
    const frame = frames.get(id);
    atUs += timeDeltas[i] ?? 0;
    // A sample stands for the time until the next one.
    const us = timeDeltas[i + 1] ?? 0;
    if (frame === undefined || frame.functionName === IDLE || atUs < fromUs || atUs > toUs) return;
    busyUs += us;
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
    const where = placeOf(frame.url, frame.lineNumber);
    const key = `${name} ${where}`;
    const known = times.get(key) ?? { name, where, selfUs: 0 };
    known.selfUs += us;
    times.set(key, known);
  });
  return { functions: [...times.values()].sort((a, b) => b.selfUs - a.selfUs), busyUs };
}

function placeOf(url: string, line: number): string {
  if (url === '') return 'native';
  const path = url.startsWith('file:') ? (url.split('/dist/').pop() as string) : url;
  return `${path}:${line + 1}`;
}
