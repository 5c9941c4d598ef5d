import type { SocketAddress } from '../../../src/model/formats.js';
import { codec } from '../../../src/xds/descriptors.js';
import { kindOfTypeUrl, PUSH_ORDER } from '../../../src/xds/resource-types.js';
import { percentile, sorted } from '../../measure/percentiles.js';
import { monotonicMs } from '../lab.js';
import { agesIn } from '../live/timed-endpoint.js';
import { coldOpening, resourcesOf, sparseOpening, warmOpening } from './openings.js';
import { type Opening, SimulatedSidecar } from './simulated-sidecar.js';
import { encodeRequest, type ResponseOutline } from './wire.js';
import { exploreWorld, type World } from './world.js';

/** Streams that are being opened at once while the fleet is built up. */
const OPENING_AT_ONCE = 200;
const POLL_MS = 10;
const RESPONSE = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse');
const NAMESPACE = 'shop';

/** One simulated sidecar, and what it has been sent since the count began. */
interface Member {
  readonly sidecar: SimulatedSidecar;
  /** Revision and time of each response that brought something, in milliseconds of the machine's monotonic clock. */
  readonly log: { readonly revision: number; readonly atMs: number }[];
  /** Listeners of the services that it holds; undefined: all. */
  readonly services: ReadonlySet<string> | undefined;
  /** Resources that it still has to be sent before it counts as served, and whether it is. */
  missing: number;
  served: boolean;
}

export interface Counts {
  readonly responses: number;
  readonly resources: number;
  readonly bytes: number;
}

/** When a change was made, and the revision that it led to. */
export interface Change {
  readonly revision: number;
  readonly atMs: number;
}

export interface Lags {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** How old timed endpoints were when they came to sidecars, in milliseconds. */
export interface Ages {
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
}

/**
 * What sidecars of a fleet have and want. `warm`: everything, which they have from an earlier life; `cold`:
 * everything, and they start from nothing; `sparse`: a few services each, others each, and they start from nothing.
 */
export type Holding = 'warm' | 'cold' | 'sparse';

/** Services that a sparse sidecar holds. */
export const SERVICES_OF_SPARSE = 10;

/** Many simulated sidecars of one mesh. */
export class Fleet {
  private readonly members: Member[] = [];
  private world: World | undefined;
  private warm: Opening | undefined;
  private counts = { responses: 0, resources: 0, bytes: 0 };
  private served = 0;
  /** Undefined: they are not looked at. */
  private endpointAges: number[] | undefined;

  constructor(private readonly address: SocketAddress) {}

  /** Learns what there is. @returns how many resources */
  async explore(): Promise<number> {
    this.world = await exploreWorld(this.address, nodeOf('scout'));
    return this.worldSize;
  }

  /**
   * Opens more streams, and returns once each has its first answer; those that start from nothing, once each has
   * all that it wants.
   */
  async connect(count: number, holding: Holding): Promise<void> {
    for (let i = 0; i < count; i++) {
      await until(() => this.members.length - this.served < OPENING_AT_ONCE);
      this.add(holding).sidecar.open();
    }
    await until(() => this.served === this.members.length);
  }

  /** Begins to count, and to keep what comes when. Sidecars that come back later hold what they hold now. */
  arm(): void {
    this.warm = undefined;
    this.opening();
    for (const { log } of this.members) log.length = 0;
    this.counts = { responses: 0, resources: 0, bytes: 0 };
  }

  /**
   * Waits until a revision is wherever it has to be.
   *
   * @param listener of the service that it is about; without it, everybody has to be told
   * @returns when it came, and its ACK left, at each of them
   */
  async reached(revision: number, listener?: string): Promise<readonly number[]> {
    const told = this.members.filter(
      ({ services }) => listener === undefined || services === undefined || services.has(listener),
    );
    const timeAt = ({ log }: Member) => log.find((entry) => entry.revision >= revision)?.atMs;
    await until(() => told.every((member) => timeAt(member) !== undefined));
    return told.map((member) => timeAt(member) as number);
  }

  /** From each change to each sidecar's ACK. */
  lags(changes: readonly Change[]): Lags {
    const lags = this.members.flatMap(({ log }) => {
      let at = 0;
      return changes.map(({ revision, atMs }) => {
        while (at < log.length && (log[at]?.revision as number) < revision) at++;
        return (log[at]?.atMs ?? Number.POSITIVE_INFINITY) - atMs;
      });
    });
    const ascending = sorted(lags);
    return {
      p50: percentile(ascending, 50),
      p99: percentile(ascending, 99),
      max: ascending.at(-1) ?? Number.NaN,
    };
  }

  /** Begins to note how old timed endpoints are. */
  watchAges(): void {
    this.endpointAges = [];
  }

  /** Of all that have come since. */
  get ages(): Ages {
    const ascending = sorted(this.endpointAges ?? []);
    this.endpointAges = undefined;
    return { p50: percentile(ascending, 50), p99: percentile(ascending, 99), count: ascending.length };
  }

  get counted(): Counts {
    return { ...this.counts };
  }

  close(): void {
    for (const { sidecar } of this.members) sidecar.close();
  }

  private get worldSize(): number {
    return PUSH_ORDER.reduce((sum, kind) => sum + (this.world?.[kind].size ?? 0), 0);
  }

  private add(holding: Holding): Member {
    const world = this.world as World;
    const n = this.members.length;
    const node = encodeRequest({ node: nodeOf(`simulated-${n}`) });
    const services = holding === 'sparse' ? pick([...world.listener.keys()], n) : undefined;
    let opening = services ? sparseOpening(world, services) : undefined;
    if (holding === 'cold') opening = coldOpening(world);
    const sidecar: SimulatedSidecar = new SimulatedSidecar({
      address: this.address,
      node,
      opening: () => {
        const first = opening ?? this.opening();
        opening = undefined;
        return first;
      },
      onResponse: (outline, bytes) => this.onResponse(member, outline, bytes),
    });
    const missing = services ? resourcesOf(world, services) : holding === 'cold' ? this.worldSize : 0;
    const held = services && new Set(services);
    const member: Member = { sidecar, log: [], services: held, missing, served: false };
    this.members.push(member);
    return member;
  }

  private opening(): Opening {
    this.warm ??= warmOpening(this.world as World);
    return this.warm;
  }

  private onResponse(member: Member, { revision, resources, removed }: ResponseOutline, bytes: Buffer): void {
    member.missing -= resources;
    if (!member.served && member.missing <= 0) {
      member.served = true;
      this.served++;
    }
    if (resources + removed > 0) member.log.push({ revision, atMs: Number(process.hrtime.bigint()) / 1e6 });
    this.counts.responses++;
    this.endpointAges?.push(...agesIn(bytes, monotonicMs()));
    this.counts.resources += resources;
    this.counts.bytes += bytes.length;
    // What one of them is sent, all of them are.
    if (member === this.members[0] && resources + removed > 0) this.learn(bytes);
  }

  private learn(bytes: Buffer): void {
    const response = RESPONSE.decode(bytes) as {
      readonly typeUrl: string;
      readonly resources: readonly { readonly name: string; readonly version: string }[];
      readonly removedResources: readonly string[];
    };
    const kind = kindOfTypeUrl(response.typeUrl);
    const versions = kind && (this.world?.[kind] as Map<string, string>);
    for (const { name, version } of response.resources) versions?.set(name, version);
    for (const name of response.removedResources) versions?.delete(name);
  }
}

/** Looks every few milliseconds; what is measured is noted when it happens. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

/** Some of them, others for each sidecar, each as often as any other. */
function pick(services: readonly string[], sidecar: number): readonly string[] {
  const step = 1 + ((sidecar * 13) % Math.max(1, Math.floor(services.length / SERVICES_OF_SPARSE) - 1));
  return Array.from(
    { length: SERVICES_OF_SPARSE },
    (_, i) => services[(sidecar + i * step) % services.length] as string,
  );
}

function nodeOf(id: string): object {
  const fields = Object.entries({ service: 'frontend', namespace: NAMESPACE }).map(([name, value]) => [
    name,
    { stringValue: value },
  ]);
  return { id, userAgentName: 'roost', metadata: { fields: Object.fromEntries(fields) } };
}
