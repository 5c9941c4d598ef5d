/** What the sidecar says of itself at `/metrics`, as far as the soak reads it. */
export interface SidecarFigures {
  readonly residentBytes: number;
  /** NaN where the system does not tell. */
  readonly descriptors: number;
  readonly cpuSeconds: number;
  /** Turns of the event loop that were observed, by the upper bound of their delay in seconds, cumulative. */
  readonly loopDelays: ReadonlyMap<number, number>;
  /** By address: whether the endpoint takes new sessions. One that was never asked is not in it. */
  readonly usable: ReadonlyMap<string, boolean>;
  /** Sums over all endpoints and routes. */
  readonly totals: Readonly<Record<Total, number>>;
}

const TOTALS = {
  retries: 'roost_request_retries_total',
  connectFailures: 'roost_upstream_connect_failures_total',
  upstreamResets: 'roost_upstream_resets_total',
  retriesRefused: 'roost_cluster_retries_refused_total',
  configurationRejections: 'roost_configuration_rejections_total',
} as const;
type Total = keyof typeof TOTALS;

const SAMPLE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LOOP_DELAY_BUCKET = 'roost_event_loop_delay_seconds_bucket';

export async function askSidecar(admin: number): Promise<SidecarFigures> {
  const response = await fetch(`http://127.0.0.1:${admin}/metrics`);
  return parseSidecarFigures(await response.text());
}

export function parseSidecarFigures(text: string): SidecarFigures {
  const sums = new Map<string, number>();
  const loopDelays = new Map<number, number>();
  const usable = new Map<string, boolean>();
  for (const line of text.split('\n')) {
    const found = SAMPLE.exec(line);
    if (found === null) continue;
    const [, name, labels = '', value] = found as unknown as [string, string, string | undefined, string];
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
    if (name === LOOP_DELAY_BUCKET) loopDelays.set(bound(label(labels, 'le')), Number(value));
    if (name === 'roost_upstream_usable') usable.set(label(labels, 'endpoint'), value === '1');
  }
  const total = (name: Total) => sums.get(TOTALS[name]) ?? 0;
  return {
    residentBytes: sums.get('process_resident_memory_bytes') ?? Number.NaN,
    descriptors: sums.get('process_open_fds') ?? Number.NaN,
    cpuSeconds: sums.get('process_cpu_seconds_total') ?? Number.NaN,
    loopDelays,
    usable,
    totals: {
      retries: total('retries'),
      connectFailures: total('connectFailures'),
      upstreamResets: total('upstreamResets'),
      retriesRefused: total('retriesRefused'),
      configurationRejections: total('configurationRejections'),
    },
  };
}

function label(labels: string, name: string): string {
  return new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
}

function bound(le: string): number {
  return le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
}

/** Turns of the event loop between two readings, by the upper bound of their delay, not cumulative, ascending. */
export function loopDelaysBetween(
  before: SidecarFigures,
  after: SidecarFigures,
): [boundSeconds: number, turns: number][] {
  let below = 0;
  return [...after.loopDelays]
    .sort(([a], [b]) => a - b)
    .map(([le, count]) => {
      const until = count - (before.loopDelays.get(le) ?? 0);
      const turns = until - below;
      below = until;
      return [le, turns];
    });
}
