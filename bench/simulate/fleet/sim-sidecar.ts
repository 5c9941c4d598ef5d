import { SessionPins } from '../../../sidecar/session/session-pins.js';
import { SessionTable, sessionSlots } from '../../../sidecar/session/session-table.js';
import { PinSharing } from '../../../sidecar/session/sharing/pin-sharing.js';
import type { HashKey } from '../../../src/hashing/half-siphash.js';
import type { Random } from '../random.js';
import type { SharingParts } from '../sharing-mutants.js';
import type { Pod } from '../world/pods.js';
import type { ClusterVersion, View } from './cluster-version.js';
import type { Publication, RoutesVersion } from './publication.js';
import type { Relay } from './relay.js';

/** Connections refused in a row that make an endpoint unreachable, as in the sidecar. */
const REFUSALS = 3;
/** How likely a probe finds a pod that answers again, within one step. */
const PROBE_CHANCE = 0.5;

/** A cluster as one sidecar has it: which endpoints, and which of them it has found unreachable. */
export class ClusterState {
  view: View;
  unusableSinceMs: number | undefined;
  private readonly refusals = new Map<Pod, number>();

  constructor(version: ClusterVersion, nowMs: number) {
    this.view = version.view(() => false);
    this.publish(nowMs);
  }

  /** Takes over another version; pods that stay keep their health. */
  take(version: ClusterVersion, nowMs: number): void {
    if (version === this.view.version) return;
    for (const pod of this.refusals.keys()) if (!version.pods.includes(pod)) this.refusals.delete(pod);
    this.look(version, nowMs);
  }

  /** A connection was refused. @returns whether the pod has become unreachable by that */
  refused(pod: Pod, nowMs: number): boolean {
    const count = (this.refusals.get(pod) ?? 0) + 1;
    this.refusals.set(pod, count);
    if (count === REFUSALS) this.look(this.view.version, nowMs);
    return count === REFUSALS;
  }

  reached(pod: Pod, nowMs: number): void {
    if (!this.refusals.delete(pod)) return;
    this.look(this.view.version, nowMs);
  }

  has(pod: Pod): boolean {
    return this.refusals.has(pod);
  }

  private look(version: ClusterVersion, nowMs: number): void {
    this.view = version.view((pod) => (this.refusals.get(pod) ?? 0) >= REFUSALS);
    this.publish(nowMs);
  }

  private publish(nowMs: number): void {
    if (this.view.usableCount > 0) this.unusableSinceMs = undefined;
    else this.unusableSinceMs ??= nowMs;
  }
}

/** One service as a sidecar has it. */
export interface ServiceState {
  /** Newest revision of which anything has arrived. */
  revision: number;
  routes: RoutesVersion;
  /** By slot. */
  readonly clusters: Map<number, ClusterState>;
}

/** What sidecars see of endpoints is not shared here: each goes by what it has found out itself. */
const NO_VIEWS = { disputed: 0, onGreeting() {}, onLost() {}, onResponse() {}, tick: () => [] };

export interface SimSidecarOptions {
  readonly index: number;
  readonly namespace: string;
  /** Name of the service that it is a pod of. */
  readonly caller: string;
  readonly capacity: number;
  /** Decides where the table's entries lie; in production each table draws its own. */
  readonly tableKey: HashKey;
  readonly relay: Relay;
  readonly parts: SharingParts;
  nowMs(): number;
  /** Number of a service, by its name `service-1.ns-1`. */
  indexOf(service: string): number;
}

/** A sidecar: the configuration that it has, the health that it has seen, and the sessions that it remembers. */
export class SimSidecar {
  readonly services: ServiceState[] = [];
  pins: SessionPins;
  sharing: PinSharing;
  table: SessionTable;
  /** The pod is there. */
  isThere = true;
  /** Hears nothing of the control plane before this step. */
  cutOffUntil = 0;
  private readonly unreachable = new Set<readonly [ClusterState, Pod]>();

  constructor(private readonly options: SimSidecarOptions) {
    this.table = this.newTable();
    this.sharing = this.newSharing();
    this.pins = this.newPins();
  }

  get index(): number {
    return this.options.index;
  }

  nowMs(): number {
    return this.options.nowMs();
  }

  /** It may be sent requests. */
  get isReady(): boolean {
    return this.isThere && this.sharing.isSettled;
  }

  /** Entries lie where the seed says, so that a run can be repeated: pins are sent in their order. */
  private newTable(): SessionTable {
    const { capacity, tableKey } = this.options;
    return new SessionTable(capacity, this.nowMs(), {
      ...sessionSlots(capacity, ArrayBuffer),
      key: tableKey,
    });
  }

  private newPins(): SessionPins {
    const { table, sharing, options } = this;
    const { nowMs, parts } = options;
    return new SessionPins({
      table,
      nowMs,
      wallMs: nowMs,
      onShared: (service, key) => {
        if (parts.isTold(table, key, nowMs())) sharing.note(service, key);
      },
    });
  }

  private newSharing(): PinSharing {
    const { index, caller, namespace, relay, parts, nowMs, indexOf } = this.options;
    return new PinSharing({
      connect: (handlers) => relay.connect(index, handlers),
      caller: { id: `sidecar-${index}`, service: caller, namespace },
      table: parts.tableFor(this.table, nowMs),
      views: NO_VIEWS,
      affinityOf: (name) => this.services[indexOf(name)]?.routes.shared.find(name),
      nowMs,
    });
  }

  cluster(service: number, slot: number): ClusterState {
    const state = this.services[service]?.clusters.get(slot);
    if (state === undefined) throw new Error(`sidecar ${this.index} has no cluster ${slot} of ${service}`);
    return state;
  }

  /**
   * Takes over a publication.
   *
   * @param routesToo false: only the endpoints have arrived yet, of clusters that the sidecar has already
   */
  take(service: number, namespace: string, publication: Publication, routesToo: boolean): void {
    const routes = namespace === this.options.namespace ? publication.local : publication.foreign;
    const known = this.services[service];
    const state: ServiceState = known ?? { revision: 0, routes, clusters: new Map() };
    for (const [slot, version] of publication.clusters) {
      const cluster = state.clusters.get(slot);
      if (cluster !== undefined) cluster.take(version, this.nowMs());
      else if (routesToo) state.clusters.set(slot, new ClusterState(version, this.nowMs()));
    }
    state.revision = publication.revision;
    this.services[service] = state;
    if (!routesToo) return;
    state.routes = routes;
    const needed = new Set(routes.slots.values());
    for (const slot of state.clusters.keys()) if (!needed.has(slot)) state.clusters.delete(slot);
    this.sharing.onTable();
  }

  /** The pod is scaled away. */
  leave(): void {
    this.isThere = false;
    this.sharing.close();
    this.options.relay.disconnect(this.index);
  }

  /** Loses all that is not configuration. */
  restart(): void {
    this.sharing.close();
    this.isThere = true;
    this.table = this.newTable();
    this.sharing = this.newSharing();
    this.pins = this.newPins();
    this.sharing.onTable();
    this.sharing.start();
    this.unreachable.clear();
    for (const { clusters } of this.services) {
      for (const [slot, { view }] of clusters) {
        clusters.set(slot, new ClusterState(view.version, this.nowMs()));
      }
    }
  }

  /** A pod of a cluster refused a connection. */
  refused(cluster: ClusterState, pod: Pod): void {
    if (cluster.refused(pod, this.nowMs())) this.unreachable.add([cluster, pod]);
  }

  /** Tries unreachable pods again, as the prober does. */
  probe(random: Random): void {
    for (const entry of this.unreachable) {
      const [cluster, pod] = entry;
      if (cluster.has(pod) && !(pod.alive && random.chance(PROBE_CHANCE))) continue;
      cluster.reached(pod, this.nowMs());
      this.unreachable.delete(entry);
    }
  }
}
