import type { Random } from '../random.js';
import { OPERATIONS } from './operations.js';
import { type Pod, Pods } from './pods.js';
import { ServiceWorld } from './service-world.js';
import { makeTraits } from './traits.js';

/** How often, for each service and step. */
const CHANCE = { operation: 0.16, podLost: 0.05, releaseLost: 0.012 };
/** How many steps until lost pods answer again. */
const PODS_AWAY = { least: 1, most: 10 };
const RELEASE_AWAY = { least: 1, most: 6 };

const KINDS = Object.keys(OPERATIONS).map((kind) => [kind, OPERATIONS[kind]?.weight ?? 0] as const);

/** What is true, whoever knows it: every service's configuration and which pods answer. */
export class World {
  readonly pods = new Pods();
  readonly services: readonly ServiceWorld[];
  /** Changes made so far, by kind. */
  readonly changes: Record<string, number> = {};
  private readonly returns = new Map<number, { readonly service: ServiceWorld; readonly pods: Pod[] }[]>();

  constructor(
    services: number,
    private readonly random: Random,
  ) {
    this.services = Array.from(
      { length: services },
      (_, index) => new ServiceWorld(makeTraits(index, random), this.pods, random),
    );
  }

  /** Moves on by one step. @returns what happened to a service, for histories */
  step(step: number): (readonly [service: number, what: string])[] {
    const happened: (readonly [number, string])[] = [];
    const tell = (service: ServiceWorld, kind: string) => {
      this.changes[kind] = (this.changes[kind] ?? 0) + 1;
      happened.push([service.traits.index, kind]);
    };
    for (const { service, pods } of this.returns.get(step) ?? []) {
      const members = new Set(service.members);
      for (const pod of pods.filter((each) => members.has(each))) pod.alive = true;
      tell(service, pods.length > 1 ? 'release returned' : 'pod returned');
    }
    this.returns.delete(step);
    for (const service of this.services) this.stepService(service, step, (kind) => tell(service, kind));
    return happened;
  }

  private stepService(service: ServiceWorld, step: number, tell: (kind: string) => void): void {
    const { random } = this;
    if (random.chance(CHANCE.operation)) {
      const kind = random.pickWeighted(KINDS);
      if (OPERATIONS[kind]?.apply(service, random)) tell(kind);
    }
    if (random.chance(CHANCE.podLost)) {
      const pod = random.pick(service.members.filter(({ alive }) => alive));
      if (pod !== undefined) {
        this.lose(service, [pod], step + random.between(PODS_AWAY.least, PODS_AWAY.most));
        tell('pod lost');
      }
    }
    if (random.chance(CHANCE.releaseLost)) {
      const version = random.pick(service.versions);
      const pods = version === undefined ? [] : service.podsOf(version).filter(({ alive }) => alive);
      if (pods.length < 2) return;
      this.lose(service, pods, step + random.between(RELEASE_AWAY.least, RELEASE_AWAY.most));
      tell('release lost');
    }
  }

  private lose(service: ServiceWorld, pods: Pod[], until: number): void {
    for (const pod of pods) pod.alive = false;
    this.returns.set(until, [...(this.returns.get(until) ?? []), { service, pods }]);
  }
}
