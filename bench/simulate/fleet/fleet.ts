import { createHash } from 'node:crypto';
import type { EndpointSet } from '../../../src/routing/endpoint-set.js';
import type { Cluster } from '../../../src/routing/release.js';
import type { PinLedger } from '../oracle/pin-ledger.js';
import type { Numbers } from '../oracle/reading.js';
import type { Random } from '../random.js';
import type { SharingParts } from '../sharing-mutants.js';
import { STEP_MS } from '../step.js';
import { namespaceOf } from '../world/traits.js';
import type { World } from '../world/world.js';
import type { Callers } from './callers.js';
import { type Publication, Publisher } from './publication.js';
import { Relay } from './relay.js';
import { SimSidecar } from './sim-sidecar.js';

/** How often, for each step: a sidecar restarts; a partition begins. */
const CHANCE = { restart: 0.002, partition: 0.04, endpointsFirst: 0.1, scale: 0.02 };
/** A caller has so many pods at least. */
const FEWEST_PODS = 2;
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
  readonly callers: Callers;
  readonly sessions: number;
  readonly parts: SharingParts;
  /** Sessions that a caller's tables have room for. */
  tableCapacity(caller: number): number;
  readonly world: World;
  readonly random: Random;
  readonly relayRandom: Random;
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
  readonly relay: Relay;
  private readonly counts = {
    restarts: 0,
    partitions: 0,
    'endpoints before routes': 0,
    'caller scaled up': 0,
    'caller scaled down': 0,
    'calls that waited for pins': 0,
  };
  private readonly starting = new Set<SimSidecar>();
  private ledger: PinLedger | undefined;
  private readonly publishers: readonly Publisher[];
  private readonly publications: Publication[];
  private readonly slots: Map<string, FleetCluster>[];
  private ids = 0;

  constructor(private readonly options: FleetOptions) {
    const { world, nowMs, callers, parts, sidecars, sessions } = options;
    const services = new Map(
      world.services.map(({ traits }) => [`${traits.name}.${traits.namespace}`, traits.index]),
    );
    const indexOf = (service: string) => services.get(service) ?? -1;
    const secretOf = (service: string) =>
      this.publications[indexOf(service)]?.local.shared.find(service)?.pinSecret;
    this.relay = new Relay({ sidecars, random: options.relayRandom, parts, sessions, secretOf, nowMs });
    const { relay } = this;
    this.sidecars = Array.from({ length: sidecars }, (_, index) => {
      const caller = callers.of(index);
      const capacity = options.tableCapacity(caller);
      const namespace = namespaceOf(caller);
      const name = `caller-${caller}`;
      const tableKey = [options.relayRandom.below(2 ** 32), index] as const;
      return new SimSidecar({
        index,
        namespace,
        caller: name,
        capacity,
        tableKey,
        relay,
        parts,
        nowMs,
        indexOf,
      });
    });
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
    for (const sidecar of this.sidecars) {
      this.deliver(sidecar, 0, 0);
      sidecar.sharing.start();
    }
  }

  get changes(): Readonly<Record<string, number>> {
    return { ...this.counts, ...this.relay.changes };
  }

  /** Has the oracle told of what befalls the sidecars and the relay. */
  watch(ledger: PinLedger): void {
    this.ledger = ledger;
  }

  /** A pod for the next request of a caller; undefined: of any. */
  podFor(caller: number | undefined, random: Random): SimSidecar {
    const { callers } = this.options;
    const mine =
      caller === undefined
        ? this.sidecars
        : callers.podsOf(caller).map((pod) => this.sidecars[pod] as SimSidecar);
    const there = mine.filter(({ isThere }) => isThere);
    const ready = there.filter(({ isReady }) => isReady);
    return random.pick(ready.length > 0 ? ready : there) as SimSidecar;
  }

  /** Lets sidecars and the hub tell each other what there is to tell, at the present time. */
  tick(): void {
    const nowMs = this.options.nowMs();
    for (const sidecar of this.sidecars) if (sidecar.isThere) sidecar.sharing.tick();
    this.relay.tick();
    for (const sidecar of this.starting) {
      if (!sidecar.isReady) continue;
      this.starting.delete(sidecar);
      if (sidecar.isThere && Number.isFinite(this.relay.upSinceMs(sidecar.index)))
        this.ledger?.ready(sidecar.index, nowMs);
    }
    this.ledger?.spread(nowMs);
  }

  noteWait(): void {
    this.counts['calls that waited for pins']++;
  }

  private start(sidecar: SimSidecar): void {
    sidecar.restart();
    this.ledger?.restarted(sidecar.index, this.options.nowMs());
    this.starting.add(sidecar);
  }

  private scale(): void {
    const { callers, random, nowMs } = this.options;
    for (let caller = 0; caller < callers.count; caller++) {
      if (!random.chance(CHANCE.scale)) continue;
      const pods = callers.podsOf(caller).map((pod) => this.sidecars[pod] as SimSidecar);
      const away = random.pick(pods.filter(({ isThere }) => !isThere));
      const there = pods.filter(({ isThere }) => isThere);
      if (away !== undefined && random.chance(0.6)) {
        this.start(away);
        this.counts['caller scaled up']++;
      } else if (there.length > FEWEST_PODS) {
        const leaving = random.pick(there) as SimSidecar;
        leaving.leave();
        this.ledger?.restarted(leaving.index, nowMs(), true);
        this.counts['caller scaled down']++;
      }
    }
  }

  /** Publishes what changed, to whom it reaches, and lets sidecars fail and recover. */
  step(step: number): void {
    const { world, random } = this.options;
    world.services.forEach(({ revision }, index) => {
      if (this.publications[index]?.revision === revision) return;
      this.publications[index] = (this.publishers[index] as Publisher).publish();
    });
    if (random.chance(CHANCE.partition)) this.cutOff(step);
    if (this.relay.step()) this.ledger?.hubRestarted();
    this.scale();
    for (const sidecar of this.sidecars) {
      if (sidecar.cutOffUntil <= step) this.deliver(sidecar, step, CHANCE.endpointsFirst);
      if (sidecar.isThere && random.chance(CHANCE.restart)) {
        this.start(sidecar);
        this.counts.restarts++;
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
      if (!routesToo) this.counts['endpoints before routes']++;
      sidecar.take(index, traits.namespace, publication, routesToo);
    });
    if (sidecar.cutOffUntil === step) sidecar.cutOffUntil = 0;
  }

  private cutOff(step: number): void {
    const { random } = this.options;
    this.counts.partitions++;
    const share = random.next() * PARTITION.largestShare;
    const until = step + random.between(PARTITION.leastSteps, PARTITION.mostSteps);
    for (const sidecar of this.sidecars) {
      if (!random.chance(share)) continue;
      sidecar.cutOffUntil = Math.max(sidecar.cutOffUntil, until);
      this.relay.cut(sidecar.index, this.options.nowMs() + (until - step) * STEP_MS);
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
