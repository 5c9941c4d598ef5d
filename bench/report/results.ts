import { type Spread, spreadOf } from '../measure/percentiles.js';

/** What one proxy did with one workload in one round. */
export interface RoundFigures {
  /** Requests a second at saturation. */
  readonly requestsPerSecond: number;
  /** CPU of the proxy's process tree for each request, in microseconds, at saturation; 0 without a proxy. */
  readonly cpuUs: number;
  /** Cores that the proxy kept busy at saturation: well below 1, it was the load that was saturated. */
  readonly busyCores: number;
  readonly bytesPerSecond: number;
  /** Milliseconds at the fixed rate. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  /** Most memory that the process tree had resident, in bytes. */
  readonly residentBytes: number;
  /** 99th percentile of how late the generator sent, in milliseconds: included in the latencies. */
  readonly lateP99: number;
  /** Answers that were wrong or did not come. */
  readonly errors: number;
}

export type FigureName = keyof RoundFigures;

/** A cell of the comparison: one proxy under one workload. */
export interface Cell {
  readonly workload: string;
  readonly peer: string;
  readonly rounds: readonly RoundFigures[];
}

/** A peer of the comparison, measured or not. */
export interface PeerEntry {
  readonly name: string;
  readonly description: string;
  /** Empty: it has none. */
  readonly version: string;
  /** Why it was not measured at all; empty: it was. */
  readonly missing: string;
}

/** One figure of a special measurement, with its goal. */
export interface SpecialFigure {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
  /** The most that it should be, or where more is better, the least; undefined: for information. */
  readonly goal: number | undefined;
  readonly moreIsBetter?: boolean;
  /** Why there is no goal to judge it by on this machine. */
  readonly note?: string;
}

/** `≤ 55 MB`; empty: for information. */
export function describeGoal({ goal, unit, moreIsBetter }: SpecialFigure): string {
  return goal === undefined ? '' : `${moreIsBetter ? '≥' : '≤'} ${goal} ${unit}`;
}

export interface MachineDescription {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
}

/** Everything about one run, as `--json` writes it. */
export interface RunResult {
  readonly schema: 1;
  readonly date: string;
  readonly commit: string;
  readonly machine: MachineDescription;
  /** Of what the load was made with. */
  readonly tools: Readonly<Record<string, string>>;
  readonly seconds: number;
  readonly rounds: number;
  /** Which peer's saturation the fixed rates are half of; empty: they were given. */
  readonly rateBasis: string;
  /** Fixed rate of each workload, requests a second. */
  readonly rates: Readonly<Record<string, number>>;
  readonly peers: readonly PeerEntry[];
  readonly cells: readonly Cell[];
  readonly special: readonly SpecialFigure[];
  /** Cores that processes other than the benchmark's kept busy meanwhile; undefined: unknown. */
  readonly othersCores: number | undefined;
}

export function cellOf(run: Pick<RunResult, 'cells'>, peer: string, workload: string): Cell | undefined {
  return run.cells.find((cell) => cell.peer === peer && cell.workload === workload);
}

/** A figure over the rounds of a cell; undefined where it was not measured. */
export function figure(cell: Cell | undefined, name: FigureName): Spread | undefined {
  return spreadOf((cell?.rounds ?? []).map((round) => round[name]).filter(Number.isFinite));
}
