import { createHash } from 'node:crypto';
import type { EndpointSet } from '../../../src/routing/endpoint-set.js';
import type { Cluster } from '../../../src/routing/table.js';
import type { Numbers } from '../oracle/reading.js';
import type { Random } from '../random.js';
import { namespaceOf } from '../world/traits.js';
import type { World } from '../world/world.js';
import { type Publication, Publisher } from './publication.js';
import { SimSidecar } from './sim-sidecar.js';

/** How often, for each step: a sidecar restarts; a partition begins. */
const CHANCE = { restart: 0.002, partition: 0.04, endpointsFirst: 0.1 };
const PARTITION = { leastSteps: 1, mostSteps: 25, largestShare: 0.3 };

/**
 * A cluster as compiled routes refer to it. Routes are compiled once for all sidecars; what differs between them
 * is read from the one that is deciding.
 */
class FleetCluster implements Cluster {
  constructor(
    readonly name: string,
    private readonly fleet: Fleet,
    private readonly service: number,
    /** Number of the cluster among its service's. */
    readonly slot: number,
  ) {}

  get endpoints(): EndpointSet {
    return this.fleet.deciding.cluster(this.service, this.slot).view.set;
  }

  get unusableSinceMs(): number | undefined {
    return this.fleet.deciding.cluster(this.service, this.slot).unusableSinceMs;
  }
}

export interface FleetOptions {
  readonly sidecars: number;
  /** Sessions that one sidecar's table has room for. */
  readonly tableCapacity: number;
  readonly world: World;
  readonly random: Random;
  readonly numbers: Numbers;
  nowMs(): number;
}

/** The sidecars and what they have been sent. */
export class Fleet {
  readonly sidecars: readonly SimSidecar[];
  /** The sidecar whose endpoints and health compiled routes read now. */
  deciding: SimSidecar;
  /** The key that the next session without a cookie gets. */
  nextKey = '';
  readonly changes = { restarts: 0, partitions: 0, 'endpoints before routes': 0 };
  private readonly publishers: readonly Publisher[];
  private readonly publications: Publication[];
  private readonly slots: Map<string, FleetCluster>[];
  private ids = 0;

  constructor(private readonly options: FleetOptions) {
    const { world, nowMs } = options;
    this.sidecars = Array.from(
      { length: options.sidecars },
      (_, index) => new SimSidecar(index, namespaceOf(index), options.tableCapacity, nowMs),
    );
    this.deciding = this.sidecars[0] as SimSidecar;
    this.slots = world.services.map(() => new Map());
    const context = {
      pinSecret: createHash('sha256').update('the secret of a simulated mesh').digest(),
      pods: world.pods,
      cluster: (service: number, name: string) => this.clusterOf(service, name),
      slotOf: (service: number, name: string) => this.clusterOf(service, name).slot,
      mintKey: () => this.nextKey,
      nextId: () => this.ids++,
    };
    this.publishers = world.services.map((service) => new Publisher(service, context, options.numbers));
    this.publications = this.publishers.map((publisher) => publisher.publish());
    for (const sidecar of this.sidecars) this.deliver(sidecar, 0, 0);
  }

  /** Publishes what changed, to whom it reaches, and lets sidecars fail and recover. */
  step(step: number): void {
    const { world, random } = this.options;
    world.services.forEach(({ revision }, index) => {
      if (this.publications[index]?.revision === revision) return;
      this.publications[index] = (this.publishers[index] as Publisher).publish();
    });
    if (random.chance(CHANCE.partition)) this.cutOff(step);
    for (const sidecar of this.sidecars) {
      if (sidecar.cutOffUntil <= step) this.deliver(sidecar, step, CHANCE.endpointsFirst);
      if (random.chance(CHANCE.restart)) {
        sidecar.restart();
        this.changes.restarts++;
      }
      sidecar.probe(random);
    }
  }

  /** Others have newer configuration of this service. */
  isBehind(sidecar: SimSidecar, service: number): boolean {
    const publication = this.publications[service];
    const routes = sidecar.services[service]?.routes;
    return routes !== publication?.local && routes !== publication?.foreign;
  }

  private deliver(sidecar: SimSidecar, step: number, endpointsFirst: number): void {
    const { world, random } = this.options;
    world.services.forEach(({ traits }, index) => {
      const publication = this.publications[index] as Publication;
      const state = sidecar.services[index];
      if (state?.revision === publication.revision && !this.isBehind(sidecar, index)) return;
      const early = state !== undefined && state.revision < publication.revision;
      const routesToo = !early || !random.chance(endpointsFirst);
      if (!routesToo) this.changes['endpoints before routes']++;
      sidecar.take(index, traits.namespace, publication, routesToo);
    });
    if (sidecar.cutOffUntil === step) sidecar.cutOffUntil = 0;
  }

  private cutOff(step: number): void {
    const { random } = this.options;
    this.changes.partitions++;
    const share = random.next() * PARTITION.largestShare;
    const until = step + random.between(PARTITION.leastSteps, PARTITION.mostSteps);
    for (const sidecar of this.sidecars) {
      if (random.chance(share)) sidecar.cutOffUntil = Math.max(sidecar.cutOffUntil, until);
    }
  }

  private clusterOf(service: number, name: string): FleetCluster {
    const slots = this.slots[service] as Map<string, FleetCluster>;
    let cluster = slots.get(name);
    if (cluster === undefined) {
      cluster = new FleetCluster(name, this, service, slots.size);
      slots.set(name, cluster);
    }
    return cluster;
  }
}
