import { setTimeout } from 'node:timers/promises';
import { seededRandom } from '../load/request-pool.js';
import { RELEASES } from './faults.js';
import type { Pod } from './pods.js';
import type { SoakService } from './service.js';

const CONFIG_EVERY_MS = 1000;
/** One change of the configuration in so many takes a pod out or puts it back; the others move weights. */
const MEMBERSHIP_EVERY = 4;
/** From a pod that is back, to the next that is killed. */
const CALM_MS = { least: 1000, more: 3000 };
/** How long a pod is dead. */
const DEAD_MS = { least: 500, more: 3000 };
/** 0: draining. New sessions stay away, those that are there stay. */
const CANARY_WEIGHTS = [20, 25, 30, 15, 10, 5, 40, 0];

export interface DisturberOptions {
  readonly pods: readonly Pod[];
  readonly service: SoakService;
  readonly cores: string | undefined;
  readonly seed: number;
}

/**
 * Kills pods and starts them again, takes pods out of the configuration and puts them back, moves weights. Of each
 * release one pod at most is disturbed at a time, so that a request always has somewhere to go.
 */
export class Disturber {
  kills = 0;
  removals = 0;
  private running = true;
  private readonly random: () => number;
  private removed: Pod | undefined;
  /** Settles when the loops have ended; rejects where a pod did not start, or a change was refused. */
  readonly ended: Promise<unknown>;
  private readonly stopping = new AbortController();

  constructor(private readonly options: DisturberOptions) {
    this.random = seededRandom(options.seed + 1);
    this.ended = Promise.all([this.killAndRestart(), this.changeConfiguration()]);
  }

  /** @throws the error of {@link ended} */
  async stop(): Promise<void> {
    this.running = false;
    this.stopping.abort();
    await this.ended;
  }

  private async killAndRestart(): Promise<void> {
    while (await this.pause(this.between(CALM_MS))) {
      const pod = this.drawPod();
      if (pod === undefined) continue;
      this.kills++;
      await pod.kill();
      await this.pause(this.between(DEAD_MS));
      await pod.start(this.options.cores);
      pod.back();
    }
  }

  private async changeConfiguration(): Promise<void> {
    for (let change = 1; await this.pause(CONFIG_EVERY_MS); change++) {
      if (change % MEMBERSHIP_EVERY === 0) await this.changeMembership();
      else await this.moveWeights();
    }
  }

  private async changeMembership(): Promise<void> {
    const { service } = this.options;
    const { removed } = this;
    if (removed !== undefined) {
      this.removed = undefined;
      removed.configured = true;
      await service.apply();
      removed.back();
      return;
    }
    const pod = this.drawPod();
    if (pod === undefined) {
      await this.moveWeights();
      return;
    }
    this.removals++;
    this.removed = pod;
    pod.configured = false;
    await service.apply();
  }

  private async moveWeights(): Promise<void> {
    const { service } = this.options;
    await service.split(CANARY_WEIGHTS[service.changes % CANARY_WEIGHTS.length] as number);
  }

  /** A pod of a release in which all is well, disturbed from here on; undefined: there is none. */
  private drawPod(): Pod | undefined {
    const { pods } = this.options;
    const calm = RELEASES.filter((release) => !pods.some((pod) => pod.release === release && pod.disturbed));
    const release = calm[Math.floor(this.random() * calm.length)];
    const candidates = pods.filter((pod) => pod.release === release);
    const pod = candidates[Math.floor(this.random() * candidates.length)];
    pod?.disturb();
    return pod;
  }

  private between({ least, more }: { readonly least: number; readonly more: number }): number {
    return least + this.random() * more;
  }

  /** @returns whether to go on */
  private async pause(ms: number): Promise<boolean> {
    try {
      await setTimeout(ms, undefined, { signal: this.stopping.signal });
    } catch (error) {
      if (!this.stopping.signal.aborted) throw error;
    }
    return this.running;
  }
}
