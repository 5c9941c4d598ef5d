import { MachineLoad } from '../measure/machine-load.js';
import type { Pod } from './pods.js';
import { askSidecar, loopDelaysBetween, type SidecarFigures } from './sidecar-figures.js';

/** One second of the run. */
export interface SoakSample {
  /** Since the load began. */
  readonly seconds: number;
  readonly residentBytes: number;
  readonly descriptors: number;
  /** Cores that the sidecar kept busy. */
  readonly busyCores: number;
  /** Turns of the sidecar's event loop that came more than 100 ms late. */
  readonly stalls: number;
  /** Cores that others than the soak kept busy; undefined where the system does not tell. */
  readonly othersCores: number | undefined;
}

export const STALL_SECONDS = 0.1;
const SAMPLE_MS = 1000;

/** Asks the sidecar every second, and tells pods when it finds them usable again. */
export class Sampler {
  readonly samples: SoakSample[] = [];
  last: SidecarFigures;
  /** Of totals since the beginning: series end with their endpoints, so what counts is what rose from second to second. */
  readonly rises: Record<keyof SidecarFigures['totals'], number> = {
    retries: 0,
    connectFailures: 0,
    upstreamResets: 0,
    retriesRefused: 0,
    configurationRejections: 0,
  };
  private lastAtMs = performance.now();
  private machine = MachineLoad.watch();
  private running = true;
  private readonly startedAtMs = performance.now();
  /** Settles when sampling has ended; rejects where the sidecar did not answer. */
  readonly ended: Promise<void>;

  private constructor(
    private readonly admin: number,
    private readonly pods: readonly Pod[],
    /** At the beginning. */
    readonly first: SidecarFigures,
  ) {
    this.last = first;
    this.ended = this.run();
  }

  static async start(admin: number, pods: readonly Pod[]): Promise<Sampler> {
    return new Sampler(admin, pods, await askSidecar(admin));
  }

  /** @throws the error of {@link ended} */
  async stop(): Promise<void> {
    this.running = false;
    await this.ended;
  }

  private async run(): Promise<void> {
    while (this.running) {
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      await this.sample();
    }
  }

  private async sample(): Promise<void> {
    const askedAtMs = performance.now();
    const figures = await askSidecar(this.admin);
    for (const pod of this.pods) if (figures.usable.get(pod.address) !== false) pod.settle(askedAtMs);
    this.samples.push({
      seconds: (askedAtMs - this.startedAtMs) / 1000,
      residentBytes: figures.residentBytes,
      descriptors: figures.descriptors,
      busyCores: (figures.cpuSeconds - this.last.cpuSeconds) / ((askedAtMs - this.lastAtMs) / 1000),
      stalls: stallsBetween(this.last, figures),
      othersCores: this.machine?.othersCores(),
    });
    this.machine = MachineLoad.watch();
    for (const name of Object.keys(this.rises) as (keyof typeof this.rises)[])
      this.rises[name] += Math.max(0, figures.totals[name] - this.last.totals[name]);
    this.last = figures;
    this.lastAtMs = askedAtMs;
  }
}

function stallsBetween(before: SidecarFigures, after: SidecarFigures): number {
  return loopDelaysBetween(before, after)
    .filter(([le]) => le > STALL_SECONDS)
    .reduce((sum, [, turns]) => sum + turns, 0);
}
