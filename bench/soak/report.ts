import { MEBIBYTE } from '../report/number-format.js';
import type { MachineDescription } from '../report/results.js';
import { type Growth, grew } from './growth.js';
import type { SoakSample } from './sampler.js';
import type { SidecarFigures } from './sidecar-figures.js';

/** Everything that a run found; what `--json` writes. */
export interface SoakReport {
  readonly schema: 1;
  readonly date: string;
  readonly commit: string;
  readonly machine: MachineDescription;
  readonly node: string;
  readonly placement: string;
  readonly seed: number;
  /** Between the sidecar and the backends. */
  readonly tls: boolean;
  readonly seconds: number;
  readonly rate: number;
  readonly rateBasis: string;
  /** Requests a second, and cores that the sidecar kept busy for them; undefined: not measured. */
  readonly saturation: { readonly rate: number; readonly busyCores: number } | undefined;
  readonly load: {
    readonly requests: number;
    readonly answered: number;
    readonly left: number;
    readonly notSent: number;
    readonly kinds: Readonly<Record<string, number>>;
    readonly savable: Readonly<Record<string, number>>;
    readonly lost: Readonly<Record<string, number>>;
    readonly unexplained: Readonly<Record<string, number>>;
    readonly latencyMs: { readonly p50: number; readonly p99: number; readonly p999: number };
  };
  readonly sessions: {
    readonly judged: number;
    readonly flips: number;
    readonly hopsWithCause: number;
    readonly hopsWithoutCause: number;
  };
  readonly disturbances: { readonly kills: number; readonly removals: number; readonly changes: number };
  readonly sidecar: SidecarFigures['totals'];
  /** Seconds after the beginning that growth does not look at. */
  readonly warmUpSeconds: number;
  readonly memory: Growth | undefined;
  readonly descriptors: Growth | undefined;
  /** Delays of the sidecar's event loop: upper bounds of the histogram's buckets, in milliseconds. */
  readonly eventLoop: {
    readonly turns: number;
    readonly p99Ms: number;
    readonly maxMs: number;
    readonly stalls: number;
    /** In the seconds that had stalls: the most cores that others kept busy. */
    readonly othersCoresThen: number | undefined;
  };
  /** Cores that the sidecar kept busy, and that others than the soak did, on average. */
  readonly busyCores: number;
  readonly othersCores: number | undefined;
  readonly promises: readonly SoakPromise[];
  readonly details: readonly string[];
  readonly samples: readonly SoakSample[];
}

export interface SoakPromise {
  readonly promise: string;
  readonly found: string;
  /** `unjudged`: the run was too short, or was told not to. */
  readonly verdict: 'kept' | 'broken' | 'unjudged';
}

/** Below this, memory still goes where Node's collector leads it, and says nothing. */
const LEAST_SECONDS_FOR_GROWTH = 300;
/** From one garbage collection to the next. */
const MEMORY_NOISE = { share: 0.1, absolute: 16 * MEBIBYTE };
/** Connections come and go with the load. */
const DESCRIPTOR_NOISE = { share: 0.1, absolute: 20 };

/** What was promised, and whether it was kept. */
export function judge(report: Omit<SoakReport, 'promises'>, allowStalls: boolean): SoakPromise[] {
  const { load, sessions, eventLoop, sidecar } = report;
  const none = (promise: string, found: number): SoakPromise => ({
    promise,
    found: String(found),
    verdict: found === 0 ? 'kept' : 'broken',
  });
  const long = report.seconds >= LEAST_SECONDS_FOR_GROWTH;
  const growth = (name: string, figure: Growth | undefined, noise: typeof MEMORY_NOISE): SoakPromise => ({
    promise: `${name} does not grow`,
    found: growthText(figure, name),
    verdict: !long || figure === undefined ? 'unjudged' : grew(figure, noise) ? 'broken' : 'kept',
  });
  const stalls = none('no stall of the event loop over 100 ms', eventLoop.stalls);
  const answers: SoakPromise = {
    promise: 'requests are answered at all',
    found: String(load.answered),
    verdict: load.answered > 0 ? 'kept' : 'broken',
  };
  return [
    answers,
    none('no request failed that a retry was allowed to save', sum(load.savable)),
    none('no request failed for a reason nobody knows', sum(load.unexplained)),
    none('no session left its release', sessions.flips),
    none('no session changed its pod without a cause', sessions.hopsWithoutCause),
    none('no configuration was refused', sidecar.configurationRejections),
    growth('memory', report.memory, MEMORY_NOISE),
    growth('descriptors', report.descriptors, DESCRIPTOR_NOISE),
    allowStalls && eventLoop.stalls > 0 ? { ...stalls, verdict: 'unjudged' } : stalls,
  ];
}

export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}

/** First third → last third, and the slope. */
export function growthText(growth: Growth | undefined, name: string): string {
  if (growth === undefined) return 'unknown';
  const unit = name === 'memory' ? MEBIBYTE : 1;
  const text = (value: number) => (value / unit).toFixed(unit === 1 ? 0 : 1);
  const suffix = unit === 1 ? '' : ' MiB';
  const sign = growth.perHour >= 0 ? '+' : '−';
  return `${text(growth.firstThird)} → ${text(growth.lastThird)}${suffix}, ${sign}${text(Math.abs(growth.perHour))}${suffix}/h`;
}
