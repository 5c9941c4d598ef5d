import { MemoryTransport } from '../../bench/simulate/fleet/memory-transport.js';
import { SessionHub } from '../../control-plane/sessions/session-hub.js';
import type { Trouble } from '../../sidecar/cluster/upstream-endpoint.js';
import { SessionPins } from '../../sidecar/session/session-pins.js';
import { SessionTable } from '../../sidecar/session/session-table.js';
import { EndpointDigests } from '../../sidecar/session/sharing/endpoint-digests.js';
import { FleetViews, type ViewedEndpoint } from '../../sidecar/session/sharing/fleet-views.js';
import { PinSharing } from '../../sidecar/session/sharing/pin-sharing.js';
import { SharedAffinities } from '../../sidecar/session/sharing/shared-affinities.js';
import { findRoute, place } from '../../src/routing/decide.js';
import { type FleetView, UNUSABLE, USABLE } from '../../src/routing/endpoint-set.js';
import { plainRequest } from '../../src/routing/request-view.js';
import { MeshTable } from './mesh-table.js';
import { NO_COOKIES } from './session-pins.js';

/** A clock that a test moves. */
export interface Clock {
  nowMs: number;
}

/** An endpoint of a table, as far as sidecars may see it differently. */
class MeshEndpoint implements ViewedEndpoint {
  readonly isRetired = false;
  isAnswering = false;
  successes = 0;
  passesChecks = false;
  trouble: Trouble | undefined;

  constructor(
    private readonly mesh: MeshTable,
    readonly cluster: string,
    readonly address: string,
  ) {}

  get fleetView(): FleetView | undefined {
    return this.inTable.fleetView;
  }

  set fleetView(view: FleetView | undefined) {
    this.inTable.fleetView = view;
  }

  /** What decisions look at. */
  private get inTable(): { fleetView?: FleetView | undefined } {
    const endpoints = this.mesh.clusters.get(this.cluster)?.endpoints;
    return endpoints?.at(endpoints.findByAddress(this.address)) ?? {};
  }
}

/** One pod of a caller: its own view of the configuration, its table, and its share in what the fleet knows. */
export class FleetPod {
  readonly mesh: MeshTable;
  readonly table: SessionTable;
  readonly sharing: PinSharing;
  transport: MemoryTransport | undefined;
  readonly views: FleetViews<MeshEndpoint>;
  /** Addresses that it cannot reach, whatever it knows of that. */
  readonly cutOff = new Set<string>();
  /** Addresses that it was made to ask. */
  readonly asked: string[] = [];
  readonly pins: SessionPins;
  private readonly endpoints = new Map<string, MeshEndpoint>();

  constructor(
    id: string,
    hub: SessionHub,
    secret: Buffer,
    private readonly clock: Clock,
    capacity: number,
  ) {
    this.mesh = new MeshTable(secret);
    this.mesh.incarnations = new Proxy({}, { get: (_, name) => String(name) });
    this.table = new SessionTable(capacity, 0);
    const affinities = new SharedAffinities(() => this.mesh.table);
    this.views = new FleetViews({
      nowMs: () => clock.nowMs,
      troubled: () =>
        [...this.endpoints.values()]
          .filter(({ trouble }) => trouble !== undefined)
          .map((endpoint) => ({ cluster: endpoint.cluster, endpoint })),
      ask: ({ address }, _appRefuses, done) => {
        this.asked.push(address);
        done(!this.cutOff.has(address));
      },
      hurry: (_cluster, { address }) => {
        this.asked.push(address);
        if (!this.cutOff.has(address)) this.find(address);
      },
      onFleetView() {},
    });
    this.views.names = new EndpointDigests(
      affinities,
      { find: (cluster) => ({ find: (address) => this.endpoint(cluster, address) }) },
      (service) => this.sharing.joins(service),
    );
    this.sharing = new PinSharing({
      views: this.views,
      connect: (handlers) => {
        this.transport = new MemoryTransport({ hub: () => hub, handlers });
        return this.transport;
      },
      caller: { id, service: 'frontend', namespace: 'shop' },
      table: this.table,
      affinityOf: (name) => affinities.find(name),
      nowMs: () => clock.nowMs,
    });
    this.pins = new SessionPins({
      table: this.table,
      nowMs: () => clock.nowMs,
      wallMs: () => clock.nowMs,
      onShared: (service, key) => this.sharing.note(service, key),
    });
  }

  /** Puts a service in force here. */
  apply(document: Parameters<MeshTable['apply']>[0], revision: number): void {
    this.mesh.apply(document);
    this.table.revision = revision;
    this.sharing.onTable();
  }

  /** Its calls find out that an endpoint is not to be used. */
  lose(address: string, trouble: Trouble = 'unreachable'): void {
    this.cutOff.add(address);
    this.change(address, trouble);
  }

  /** It finds out that an endpoint can be used again. */
  find(address: string): void {
    this.cutOff.delete(address);
    this.change(address, undefined);
  }

  private change(address: string, trouble: Trouble | undefined): void {
    this.mesh.nowMs = this.clock.nowMs;
    this.mesh.setUsability(address, trouble === undefined ? USABLE : UNUSABLE);
    const endpoint = this.seen(address);
    endpoint.trouble = trouble;
    this.views.onCondition(endpoint.cluster, endpoint);
  }

  /** What it has seen of an endpoint. */
  seen(address: string): MeshEndpoint {
    for (const { name, endpoints } of this.mesh.clusters.values())
      if (endpoints.findByAddress(address) >= 0) return this.endpoint(name, address);
    throw new Error(`no endpoint ${address}`);
  }

  private endpoint(cluster: string, address: string): MeshEndpoint {
    const known = this.endpoints.get(address) ?? new MeshEndpoint(this.mesh, cluster, address);
    this.endpoints.set(address, known);
    return known;
  }

  /** @returns release and address */
  call(user: string, headers: readonly (readonly [string, string])[] = []): string {
    const request = plainRequest({ headers: [['x-user-id', user], ...headers] });
    const host = this.mesh.table.find('checkout.shop');
    const route = host && findRoute(host, request, Math.random);
    if (host === undefined || route === undefined) throw new Error('no route');
    const placed = place(host, route, request, {
      nowMs: this.clock.nowMs,
      random: Math.random,
      findPin: (affinity, hash) => this.pins.find(affinity, hash),
    });
    if (placed.endpoint === undefined) throw new Error('no endpoint');
    this.pins.keep(placed, placed.endpoint, NO_COOKIES);
    return `${placed.release.name} ${placed.endpoint.address}`;
  }
}

/** Pods of one caller, and the control plane that they share pins through. */
export class SharedFleet {
  readonly clock: Clock = { nowMs: 1_000_000 };
  readonly pods: FleetPod[] = [];
  hub: SessionHub;
  private documents: Parameters<MeshTable['apply']>[0][] = [];
  private revision = 0;
  private readonly secret = Buffer.alloc(32, 5);

  constructor(
    pods: number,
    private readonly capacity = 20_000,
  ) {
    this.hub = this.newHub();
    for (let i = 0; i < pods; i++) this.join();
  }

  close(): void {
    this.hub.close();
  }

  /** Another pod of the caller. */
  join(): FleetPod {
    const { hub, secret, clock, capacity } = this;
    const pod = new FleetPod(`pod-${this.pods.length}`, hub, secret, clock, capacity);
    this.pods.push(pod);
    for (const document of this.documents) pod.apply(document, this.revision);
    pod.sharing.start();
    return pod;
  }

  /** Puts a service in force, everywhere unless pods are named. */
  apply(document: Parameters<MeshTable['apply']>[0], pods: readonly FleetPod[] = this.pods): void {
    this.documents = [document];
    this.revision++;
    for (const pod of pods) pod.apply(document, this.revision);
  }

  /** Lets everything arrive that is on its way. */
  settle(): void {
    for (let round = 0; round < 4; round++) {
      this.clock.nowMs += 50;
      for (const { sharing, pins } of this.pods) {
        sharing.tick();
        pins.tick();
      }
      this.hub.tick();
    }
  }

  private newHub(): SessionHub {
    return new SessionHub({
      secretOf: () =>
        this.pods[0]?.mesh.table.virtualHosts[0]?.routes.find(({ affinity }) => affinity)?.affinity
          ?.pinSecret,
      nowMs: () => this.clock.nowMs,
    });
  }
}
