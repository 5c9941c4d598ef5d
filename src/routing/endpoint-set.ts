import { sharesOf, type WeightedHost } from '../hashing/host-shares.js';
import { buildMaglev, type Maglev } from '../hashing/maglev.js';
import { buildRing, proportionalRingSize, type Ring } from '../hashing/ring.js';
import type { EndpointConfig } from '../xds/endpoint.js';
import type { LoadBalancerConfig } from '../xds/load-balancer.js';
import { localityWeights } from './locality-weights.js';
import type { PinDigests } from './pins.js';

/** An endpoint as a decision sees it. The data path's own class implements it. */
export interface Endpoint extends EndpointConfig {
  /** Requests in flight now, for least-request. */
  readonly activeRequests: number;
  /**
   * Where this sidecar cannot use it and others call the service, too: whether they agree. Undefined: it can, or
   * this sidecar is the only caller.
   */
  readonly fleetView?: FleetView | undefined;
}

/** `disputed`: sidecars differ, or have not said. Sessions of a disputed endpoint fail over and keep their pin. */
export type FleetView = 'agreed' | 'disputed';

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
  /** Running sum of the usable endpoints' weights, as the load balancer sees them. */
  private readonly weightEnds: Float64Array;
  private builtHashed: HashedEndpoints | undefined;
  private builtRing: Ring | undefined;
  /** They all weigh the same. */
  readonly isEven: boolean;
  readonly usableCount: number;
  /** Of the load balancer, as `balanceFactor` is: here, since each object on the way to them is a memory access. */
  readonly kind: LoadBalancerConfig['kind'];
  /** Envoy's `hash_balance_factor`; 0: none. */
  readonly balanceFactor: number;

  private constructor(
    readonly endpoints: readonly Endpoint[],
    private readonly usability: Uint8Array,
    private readonly tables: EndpointTables,
    weightOf: (endpoint: Endpoint) => number,
  ) {
    this.usable = Uint32Array.from(endpoints.keys()).filter((i) => usability[i] === USABLE);
    this.usableCount = this.usable.length;
    this.kind = tables.config.kind;
    this.balanceFactor = tables.config.hashing?.balanceFactor ?? 0;
    const byLocality =
      tables.config.hashing?.byLocality === true
        ? localityWeights(endpoints, (i) => usability[i] === USABLE, weightOf)
        : undefined;
    const loadWeightOf = byLocality ?? weightOf;
    this.weightEnds = new Float64Array(this.usable.length);
    let sum = 0;
    let isEven = true;
    this.usable.forEach((index, i) => {
      const weight = loadWeightOf(this.at(index));
      sum += weight;
      this.weightEnds[i] = sum;
      isEven &&= weight === this.weightEnds[0];
    });
    this.isEven = isEven;
  }

  /**
   * @param endpoints as the control plane lists them
   * @param weightOf for picks by load, where it differs from the configured weight that hashing goes by
   */
  static of(
    endpoints: readonly Endpoint[],
    loadBalancer: LoadBalancerConfig,
    usabilityOf: (endpoint: Endpoint) => Usability,
    weightOf = configuredWeight,
  ): EndpointSet {
    const usability = Uint8Array.from(endpoints, usabilityOf);
    return new EndpointSet(endpoints, usability, new EndpointTables(endpoints, loadBalancer), weightOf);
  }

  /** The same endpoints with their usability and their weight for picks by load looked up again. */
  withUsability(usabilityOf: (endpoint: Endpoint) => Usability, weightOf = configuredWeight): EndpointSet {
    return new EndpointSet(
      this.endpoints,
      Uint8Array.from(this.endpoints, usabilityOf),
      this.tables,
      weightOf,
    );
  }

  get loadBalancer(): LoadBalancerConfig {
    return this.tables.config;
  }

  at(index: number): Endpoint {
    return this.endpoints[index] as Endpoint;
  }

  usabilityAt(index: number): Usability {
    return this.usableCount === this.endpoints.length ? USABLE : (this.usability[index] as Usability);
  }

  usableAt(i: number): Endpoint {
    return this.at(this.usable[i] as number);
  }

  /** Weight of a usable endpoint for picks by load. */
  usableWeightAt(i: number): number {
    return (this.weightEnds[i] as number) - (i === 0 ? 0 : (this.weightEnds[i - 1] as number));
  }

  /**
   * A usable endpoint with a chance in proportion to its weight.
   *
   * @param random in [0, 1)
   * @returns its place among the usable ones
   */
  usableByWeight(random: number): number {
    const point = random * (this.weightEnds[this.weightEnds.length - 1] as number);
    let from = 0;
    let to = this.weightEnds.length - 1;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.weightEnds[middle] as number) <= point) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** Where round-robin goes next; counts up with every call. */
  nextTurn(): number {
    return this.tables.turn++;
  }

  ring(): Ring {
    this.builtRing ??= this.tables.ring();
    return this.builtRing;
  }

  maglev(): Maglev {
    return this.tables.maglev();
  }

  /** The usable endpoints, as hashing with bounded load goes through them. */
  get hashed(): HashedEndpoints {
    this.builtHashed ??= this.tables.hashed((index) => this.usability[index] === USABLE);
    return this.builtHashed;
  }

  /** Index of the endpoint with this address, or -1. */
  findByAddress(address: string): number {
    return this.tables.addressIndex().get(address) ?? -1;
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

/** Endpoints in Envoy's order: by locality where localities have weights, else as they are listed. */
export interface HashedEndpoints {
  readonly indexes: readonly number[];
  /** Share of each in the weight of all, in the same order. */
  readonly shares: readonly number[];
}

function configuredWeight({ weight }: Endpoint): number {
  return weight;
}

/** What depends on the endpoints and not on their health; built on first use. */
class EndpointTables {
  turn = 0;
  private builtRing: Ring | undefined;
  private builtMaglev: Maglev | undefined;
  private digestsOf: PinDigests | undefined;
  private byDigest: ReadonlyMap<number, number> = new Map();
  private byAddress: ReadonlyMap<string, number> | undefined;

  constructor(
    private readonly endpoints: readonly Endpoint[],
    readonly config: LoadBalancerConfig,
  ) {}

  ring(): Ring {
    if (this.builtRing === undefined) {
      const order = this.order();
      const hosts = this.hosts(order);
      const { ringSize } = this.config;
      const size = ringSize === 'proportional' ? proportionalRingSize(hosts) : ringSize;
      this.builtRing = buildRing(hosts, size, this.isByLocality ? order : undefined);
    }
    return this.builtRing;
  }

  maglev(): Maglev {
    this.builtMaglev ??= buildMaglev(this.hosts([...this.endpoints.keys()]), this.config.tableSize);
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

  addressIndex(): ReadonlyMap<string, number> {
    this.byAddress ??= new Map(this.endpoints.map(({ address }, index) => [address, index]));
    return this.byAddress;
  }

  hashed(isUsable: (index: number) => boolean): HashedEndpoints {
    const indexes = this.order().filter(isUsable);
    return { indexes, shares: indexes.length === 0 ? [] : sharesOf(this.hosts(indexes)) };
  }

  private get isByLocality(): boolean {
    const weighs = ({ hashing }: Endpoint) => (hashing?.locality.weight ?? 0) > 0;
    return this.config.hashing?.byLocality === true && this.endpoints.some(weighs);
  }

  /** Envoy goes through localities one after the other, and which host rounding favours depends on the order. */
  private order(): number[] {
    const order = [...this.endpoints.keys()];
    if (!this.isByLocality) return order;
    const localityOf = (i: number) => this.endpoints[i]?.hashing?.locality.name ?? '';
    return order.sort((a, b) => compare(localityOf(a), localityOf(b)) || a - b);
  }

  private hosts(order: readonly number[]): WeightedHost[] {
    const { isByLocality } = this;
    const byHostname = this.config.hashing?.byHostname === true;
    return order.map((i) => {
      const { address, weight, hashing } = this.endpoints[i] as Endpoint;
      return {
        key: hashing?.key || (byHostname && hashing?.hostname) || address,
        weight,
        locality: isByLocality ? hashing?.locality : undefined,
      };
    });
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
