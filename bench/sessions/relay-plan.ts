/** What a process of simulated sidecars is told, as one JSON argument. */
export interface RelayTask {
  readonly controlPlanePort: number;
  readonly service: string;
  /** Of the service; base64. */
  readonly pinSecret: string;
  /** Sidecars of all processes, and which of them are this one's. */
  readonly sidecars: number;
  readonly first: number;
  readonly count: number;
  readonly newPerSecond: number;
  readonly seconds: number;
}

/** What it reports in the end: base64 of arrays with one element for each session. */
export interface RelayReport {
  /** Sidecars of this process that know the session; Uint8Array. */
  readonly known: string;
  /** When the last of them learned of it, in milliseconds of the monotonic clock; Float64Array. */
  readonly lastMs: string;
  /** When it was pinned; 0: by a sidecar of another process; Float64Array. */
  readonly madeMs: string;
  /** CPU of the process while sessions were made and relayed, in milliseconds. */
  readonly cpuMs: number;
  /** Pins that sidecars of this process took from others. */
  readonly received: number;
}

/** Messages between a process of simulated sidecars and the benchmark. */
export type RelayMessage = { readonly ready: true } | { readonly report: RelayReport };

/** Which session a sidecar makes as its `turn`-th. */
export function sessionNumber({ sidecars }: Pick<RelayTask, 'sidecars'>, sidecar: number, turn: number) {
  return turn * sidecars + sidecar;
}

/** Sessions that are made in all. */
export function sessionsOf({ newPerSecond, seconds, sidecars }: RelayTask): number {
  return Math.ceil((newPerSecond * seconds) / sidecars) * sidecars;
}
