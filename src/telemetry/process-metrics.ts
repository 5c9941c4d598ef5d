import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { VERSION } from '../version.js';
import type { EventLoopDelay } from './event-loop-delay.js';
import { type Collector, labelText, type MetricTable, sample, single } from './metrics.js';

/** What every process of ours says about itself; the names starting with `process_` are Prometheus' own. */
export const PROCESS_METRICS = {
  roost_build_info: { type: 'gauge', labels: ['version', 'node'], help: 'Always 1; what runs, and on what.' },
  roost_event_loop_delay_seconds: {
    type: 'histogram',
    labels: [],
    help: 'How late a timer of 50 ms runs: time in which nothing else is done.',
  },
  process_cpu_seconds_total: { type: 'counter', labels: [], help: 'CPU time, of user and system.' },
  process_resident_memory_bytes: { type: 'gauge', labels: [], help: 'Resident memory.' },
  process_start_time_seconds: { type: 'gauge', labels: [], help: 'Start, in seconds since the epoch.' },
  process_open_fds: {
    type: 'gauge',
    labels: [],
    help: 'Open file descriptors; absent where the system does not tell.',
  },
  process_max_fds: {
    type: 'gauge',
    labels: [],
    help: 'Most file descriptors; absent where the system does not tell.',
  },
} as const satisfies MetricTable;

/** Reads what {@link PROCESS_METRICS} show. */
export class ProcessFigures {
  private openFds: number | undefined;
  private readonly maxFds = readMaxFds();
  private readonly startedAt = Date.now() / 1000 - process.uptime();

  constructor(private readonly delay: EventLoopDelay) {}

  /** Counts descriptors off the event loop, to be shown by the scrape that follows. */
  async prepare(): Promise<void> {
    // The one that reads the directory is among them.
    this.openFds = await readdir('/proc/self/fd').then(
      (names) => names.length - 1,
      () => undefined,
    );
  }

  get collectors(): { readonly [Name in keyof typeof PROCESS_METRICS]: Collector } {
    const build = labelText({ version: VERSION, node: process.versions.node });
    return {
      roost_build_info: (name) => [sample(name, build, 1)],
      roost_event_loop_delay_seconds: (name) => [this.delay.histogram.samples(name, '')],
      process_cpu_seconds_total: single(() => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      }),
      process_resident_memory_bytes: single(() => process.memoryUsage.rss()),
      process_start_time_seconds: single(() => this.startedAt),
      process_open_fds: ifKnown(() => this.openFds),
      process_max_fds: ifKnown(() => this.maxFds),
    };
  }
}

function ifKnown(read: () => number | undefined): Collector {
  return (name) => {
    const value = read();
    return value === undefined ? [] : [sample(name, '', value)];
  };
}

/** The soft limit (proc(5), `/proc/pid/limits`); undefined elsewhere than on Linux. */
function readMaxFds(): number | undefined {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}
