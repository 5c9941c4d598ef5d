import type { Random } from '../random.js';

/** An address that answers, or does not. Told apart by address: whoever gets an address later is the same pod. */
export interface Pod {
  /** Counts all pods of the simulation. */
  readonly id: number;
  readonly address: string;
  readonly weight: number;
  alive: boolean;
}

/** How often a new pod is given an address that another one had, as clusters of machines do. */
const REUSE = 0.03;

/** Every pod there ever was, by number and by address. */
export class Pods {
  private readonly all: Pod[] = [];
  private readonly byAddress = new Map<string, Pod>();
  private readonly free = new Map<number, Pod[]>();
  private readonly counts = new Map<number, number>();

  /** A pod for one service, alive. */
  start(service: number, weight: number, random: Random): Pod {
    const free = this.free.get(service) ?? [];
    if (free.length > 0 && random.chance(REUSE)) {
      const pod = free.shift() as Pod;
      pod.alive = true;
      return pod;
    }
    const count = this.counts.get(service) ?? 0;
    this.counts.set(service, count + 1);
    const address = `10.${service % 256}.${Math.floor(count / 250)}.${(count % 250) + 1}:8080`;
    const pod: Pod = { id: this.all.length, address, weight, alive: true };
    this.all.push(pod);
    this.byAddress.set(address, pod);
    return pod;
  }

  /** The pod is gone for good; its address may be given to another. */
  stop(service: number, pod: Pod): void {
    pod.alive = false;
    this.free.set(service, [...(this.free.get(service) ?? []), pod]);
  }

  at(address: string): Pod {
    const pod = this.byAddress.get(address);
    if (pod === undefined) throw new Error(`no pod ever had ${address}`);
    return pod;
  }

  get(id: number): Pod {
    return this.all[id] as Pod;
  }
}
