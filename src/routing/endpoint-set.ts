import { buildMaglev, type Maglev } from '../hashing/maglev.js';
import { buildRing, proportionalRingSize, type Ring } from '../hashing/ring.js';
import type { LoadBalancerConfig } from '../xds/cluster.js';
import type { EndpointConfig } from '../xds/endpoint.js';
import type { PinDigests } from './pins.js';

/** An endpoint as a decision sees it. The data path's own class implements it. */
export interface Endpoint extends EndpointConfig {
  /** Requests in flight now, for least-request. */
  readonly activeRequests: number;
}

/** Whether an endpoint may be picked: not at all, for its pinned sessions only, or for everybody. */
export type Usability = 0 | 1 | 2;
export const UNUSABLE: Usability = 0;
export const PINNED_ONLY: Usability = 1;
export const USABLE: Usability = 2;

/**
 * The endpoints of one cluster at one instant, with what picking needs. Immutable: a change of endpoints or of
 * their health makes a new set, which takes over the old one's tables where the endpoints are the same.
 */
export class EndpointSet {
  /** Indexes of the endpoints that anybody may be sent to. */
  private readonly usable: Uint32Array;
  /** Running sum of the usable endpoints' weights. */
  private readonly weightEnds: Float64Array;

  private constructor(
    readonly endpoints: readonly Endpoint[],
    private readonly usability: Uint8Array,
    private readonly tables: EndpointTables,
  ) {
    this.usable = Uint32Array.from(endpoints.keys()).filter((i) => usability[i] === USABLE);
    this.weightEnds = new Float64Array(this.usable.length);
    let sum = 0;
    this.usable.forEach((index, i) => {
      sum += this.at(index).weight;
      this.weightEnds[i] = sum;
    });
  }

  /** @param endpoints in canonical order */
  static of(
    endpoints: readonly Endpoint[],
    loadBalancer: LoadBalancerConfig,
    usabilityOf: (endpoint: Endpoint) => Usability,
  ): EndpointSet {
    return new EndpointSet(
      endpoints,
      Uint8Array.from(endpoints, usabilityOf),
      new EndpointTables(endpoints, loadBalancer),
    );
  }

  /** The same endpoints with their usability looked up again. */
  withUsability(usabilityOf: (endpoint: Endpoint) => Usability): EndpointSet {
    return new EndpointSet(this.endpoints, Uint8Array.from(this.endpoints, usabilityOf), this.tables);
  }

  get loadBalancer(): LoadBalancerConfig {
    return this.tables.config;
  }

  get usableCount(): number {
    return this.usable.length;
  }

  at(index: number): Endpoint {
    return this.endpoints[index] as Endpoint;
  }

  usabilityAt(index: number): Usability {
    return this.usability[index] as Usability;
  }

  usableAt(i: number): Endpoint {
    return this.at(this.usable[i] as number);
  }

  /** A usable endpoint with a chance in proportion to its weight. @param random in [0, 1) */
  usableByWeight(random: number): Endpoint {
    const point = random * (this.weightEnds[this.weightEnds.length - 1] as number);
    let from = 0;
    let to = this.weightEnds.length - 1;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.weightEnds[middle] as number) <= point) from = middle + 1;
      else to = middle;
    }
    return this.usableAt(from);
  }

  /** Where round-robin goes next; counts up with every call. */
  nextTurn(): number {
    return this.tables.turn++;
  }

  ring(): Ring {
    return this.tables.ring();
  }

  maglev(): Maglev {
    return this.tables.maglev();
  }

  /** Index of the endpoint that a pin names, or -1. */
  findByDigest(digest: number, digests: PinDigests): number {
    return this.digestIndex(digests).get(digest) ?? -1;
  }

  /** Index of every endpoint by its pin digest. */
  digestIndex(digests: PinDigests): ReadonlyMap<number, number> {
    return this.tables.digestIndex(digests);
  }
}

/** What depends on the endpoints and not on their health; built on first use. */
class EndpointTables {
  turn = 0;
  private builtRing: Ring | undefined;
  private builtMaglev: Maglev | undefined;
  private digestsOf: PinDigests | undefined;
  private byDigest: ReadonlyMap<number, number> = new Map();

  constructor(
    private readonly endpoints: readonly Endpoint[],
    readonly config: LoadBalancerConfig,
  ) {}

  ring(): Ring {
    if (this.builtRing === undefined) {
      const hosts = this.hosts();
      const { ringSize } = this.config;
      this.builtRing = buildRing(hosts, ringSize === 'proportional' ? proportionalRingSize(hosts) : ringSize);
    }
    return this.builtRing;
  }

  maglev(): Maglev {
    this.builtMaglev ??= buildMaglev(this.hosts(), this.config.tableSize);
    return this.builtMaglev;
  }

  digestIndex(digests: PinDigests): ReadonlyMap<number, number> {
    if (this.digestsOf?.id !== digests.id) {
      this.byDigest = new Map(
        this.endpoints.flatMap(({ address }, index) =>
          digests.ofEndpoint(address).map((digest) => [digest, index] as const),
        ),
      );
      this.digestsOf = digests;
    }
    return this.byDigest;
  }

  private hosts() {
    return this.endpoints.map((endpoint) => ({ key: endpoint.address, weight: endpoint.weight }));
  }
}
