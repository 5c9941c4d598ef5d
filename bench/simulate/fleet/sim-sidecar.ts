import { SessionPins } from '../../../sidecar/session/session-pins.js';
import { SessionTable } from '../../../sidecar/session/session-table.js';
import type { Random } from '../random.js';
import type { Pod } from '../world/pods.js';
import type { ClusterVersion, View } from './cluster-version.js';
import type { Publication, RoutesVersion } from './publication.js';

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

/** A sidecar: the configuration that it has, the health that it has seen, and the sessions that it remembers. */
export class SimSidecar {
  readonly services: ServiceState[] = [];
  pins: SessionPins;
  /** Counts restarts: pins in the table are lost with each. */
  epoch = 0;
  /** Hears nothing of the control plane before this step. */
  cutOffUntil = 0;
  private table: SessionTable;
  private readonly unreachable = new Set<readonly [ClusterState, Pod]>();

  constructor(
    readonly index: number,
    private readonly namespace: string,
    private readonly capacity: number,
    readonly nowMs: () => number,
  ) {
    this.table = new SessionTable(capacity, nowMs());
    this.pins = this.newPins();
  }

  private newPins(): SessionPins {
    const { table, nowMs } = this;
    return new SessionPins({ table, nowMs, wallMs: nowMs });
  }

  get sessions(): number {
    return this.table.size;
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
    const routes = namespace === this.namespace ? publication.local : publication.foreign;
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
  }

  /** Loses all that is not configuration. */
  restart(): void {
    this.epoch++;
    this.table = new SessionTable(this.capacity, this.nowMs());
    this.pins = this.newPins();
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
