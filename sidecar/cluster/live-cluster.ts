import { EndpointSet, UNUSABLE, USABLE } from '../../src/routing/endpoint-set.js';
import type { Cluster } from '../../src/routing/release.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { ClusterResource } from '../../src/xds/cluster.js';
import type { Confinement } from '../../src/xds/cluster-metadata.js';
import type { HealthCheckConfig } from '../../src/xds/cluster-protection.js';
import type { EndpointConfig } from '../../src/xds/endpoint.js';
import type { LoadBalancerConfig } from '../../src/xds/load-balancer.js';
import type { LimitName } from '../http/limits.js';
import { UpstreamTls } from '../tls/endpoint-tls.js';
import { ClusterLoad } from './cluster-load.js';
import { viewOf } from './cluster-view.js';
import type { CountsSource } from './counts-source.js';
import { type OwnMachine, outOfReach } from './endpoint-reach.js';
import type { CheckedCluster } from './health-checker.js';
import { OutlierDetector } from './outlier-detector.js';
import type { UpstreamProtocol } from './stream-pool.js';
import { type EndpointOwner, UpstreamEndpoint, type UpstreamSettings } from './upstream-endpoint.js';

const DEFAULT_LOAD_BALANCER: LoadBalancerConfig = {
  kind: 'least-request',
  ringSize: { min: 1024, max: 8_388_608 },
  tableSize: 65_537,
  slowStartMs: 0,
};
const DEFAULT_CONNECT_TIMEOUT_MS = 2000;
/** Endpoints that one line of the log names. */
const MAX_TOLD = 10;

/** What all clusters of a sidecar have in common. */
export interface ClusterSettings extends UpstreamSettings {
  readonly counts: CountsSource;
  readonly machine: OwnMachine;
  /** The sidecar asks for nothing but what its app calls: every cluster counts as called. */
  readonly asksForCalled: boolean;
  /** Something about an endpoint has changed that it is picked by, besides its configuration. */
  onCondition(cluster: LiveCluster, endpoint: UpstreamEndpoint): void;
  /**
   * Asks the other workers to close a connection that nobody uses: to this address, or without one, to any endpoint of
   * the cluster. Undefined: there are no others.
   */
  readonly askForRoom: ((cluster: string, address: string | undefined) => void) | undefined;
}

/**
 * A cluster that configuration names: its endpoints as they are now, and their connections, which outlive every
 * change of configuration that keeps the address.
 */
export class LiveCluster implements Cluster, EndpointOwner, CheckedCluster<UpstreamEndpoint> {
  endpoints: EndpointSet;
  lastResort: EndpointSet | undefined;
  unusableSinceMs: number | undefined;
  healthCheck: HealthCheckConfig | undefined;
  /** Too few endpoints are usable: checks and ejections do not count. */
  panicking = false;
  readonly load: ClusterLoad;
  tls: UpstreamTls | undefined;
  protocol: UpstreamProtocol = 'http1';
  private connectionsConfig = '';
  private confinement: Confinement | undefined;
  /** The endpoints as configured, those included that are out of reach. */
  private given: readonly EndpointConfig[] = [];
  private refused = '';
  protected readonly outliers: OutlierDetector<UpstreamEndpoint>;
  private byAddress = new Map<string, UpstreamEndpoint>();
  private loadBalancer = DEFAULT_LOAD_BALANCER;
  private connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS;
  private panicThreshold = 0;
  /** When weights that grow are looked at again; Infinity: none grows. */
  private nextRampMs = Number.POSITIVE_INFINITY;

  constructor(
    readonly name: string,
    protected readonly settings: ClusterSettings,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
    /** Time brings something about for it from now on, until it {@link isAtRest}. */
    private readonly onAwake: (cluster: LiveCluster) => void = () => {},
  ) {
    const counts = settings.counts.forCluster(name);
    this.load = new ClusterLoad(
      counts,
      () => this.closeOneIdle(),
      () => this.onFirstUse(),
      settings.nowMs,
    );
    this.endpoints = EndpointSet.of([], this.loadBalancer, () => UNUSABLE);
    this.unusableSinceMs = settings.nowMs();
    this.outliers = new OutlierDetector((endpoint, why) => this.onEjection(endpoint, why), settings.nowMs);
  }

  get upstreams(): Iterable<UpstreamEndpoint> {
    return this.byAddress.values();
  }

  get isUsed(): boolean {
    return this.load.isUsed;
  }

  /** For reports of load. */
  get condition(): { readonly endpoints: number; readonly usable: number } {
    return { endpoints: this.endpoints.endpoints.length, usable: this.endpoints.usableCount };
  }

  /** What is checked: endpoints of a service that nobody calls from here are left alone. */
  get isCalled(): boolean {
    return this.isUsed || this.settings.asksForCalled;
  }

  /** The endpoint that has this address now. */
  find(address: string): UpstreamEndpoint | undefined {
    return this.byAddress.get(address);
  }

  /** {@link tick} has nothing to do: nobody calls it, and nothing is checked or grows. */
  get isAtRest(): boolean {
    const isChecked = this.healthCheck !== undefined && this.isCalled;
    return !this.isUsed && !isChecked && !this.isRamping;
  }

  /** Some weights grow. */
  protected get isRamping(): boolean {
    return this.nextRampMs !== Number.POSITIVE_INFINITY;
  }

  /** Something is sent there: time brings something about from now on. */
  wake(): void {
    this.onAwake(this);
  }

  /** This thread sends something there for the first time. */
  protected onFirstUse(): void {
    this.wake();
  }

  /** Takes over everything of the cluster but its endpoints. */
  configure(config: ClusterResource): void {
    this.loadBalancer = config.loadBalancer;
    this.connectTimeoutMs = config.connectTimeoutMs;
    this.panicThreshold = config.panicThreshold;
    this.load.limits = config.limits;
    this.configureConnections(config);
    this.confine(config.confinement);
    this.healthCheck = config.healthCheck;
    for (const endpoint of this.upstreams) {
      endpoint.connectTimeoutMs = config.connectTimeoutMs;
      if (config.healthCheck === undefined) endpoint.health.forget();
    }
    this.outliers.configure(config.outlier);
    this.publish(EndpointSet.of(this.endpoints.endpoints, this.loadBalancer, () => UNUSABLE));
  }

  private confine(confinement: Confinement | undefined): void {
    const before = this.confinement;
    this.confinement = confinement;
    if (before !== undefined || confinement !== undefined) this.setEndpoints(this.given);
  }

  /** Connections made in another way serve no further request. */
  private configureConnections({ tls, protocol }: ClusterResource): void {
    const text = JSON.stringify([tls, protocol]);
    if (text === this.connectionsConfig) return;
    this.connectionsConfig = text;
    this.protocol = protocol;
    this.tls = tls && new UpstreamTls(tls, this.settings.nowMs);
    for (const endpoint of this.upstreams) endpoint.renew();
  }

  /** Takes over the endpoints. Those that stay keep their connections and their health. */
  setEndpoints(configs: readonly EndpointConfig[]): void {
    this.given = configs;
    const reachable = this.withinReach(configs);
    const next = new Map(reachable.map((config) => [config.address, this.endpointFor(config)]));
    for (const [address, endpoint] of this.byAddress) if (!next.has(address)) endpoint.retire();
    this.byAddress = next;
    const endpoints = [...next.values()];
    this.outliers.setEndpoints(endpoints);
    this.publish(EndpointSet.of(endpoints, this.loadBalancer, () => UNUSABLE));
  }

  private withinReach(configs: readonly EndpointConfig[]): readonly EndpointConfig[] {
    const refused = outOfReach(configs, this.confinement, this.settings.machine);
    const addresses = [...refused].map(({ address }) => address);
    const told = addresses.join();
    if (told !== this.refused && told !== '')
      this.log.warn(
        { cluster: this.name, count: refused.size, endpoints: addresses.slice(0, MAX_TOLD) },
        'endpoints are left out: they are on this machine, and no admin of all namespaces has approved them',
      );
    this.refused = told;
    return refused.size === 0 ? configs : configs.filter((config) => !refused.has(config));
  }

  /** The cluster is gone from the configuration. */
  retire(): void {
    this.setEndpoints([]);
  }

  /** Called on the coarse clock's tick. */
  tick(nowMs: number): void {
    this.outliers.tick();
    this.ramp(nowMs);
  }

  /** Brings weights that grow up to date. */
  protected ramp(nowMs: number): void {
    if (nowMs >= this.nextRampMs) this.publish(this.endpoints);
  }

  onUnreachable(endpoint: UpstreamEndpoint): void {
    endpoint.isUnreachable = true;
    this.onHealthChanged(endpoint);
  }

  onReached(endpoint: UpstreamEndpoint): void {
    endpoint.isUnreachable = false;
    this.onHealthChanged(endpoint);
  }

  onLeaving(endpoint: UpstreamEndpoint): void {
    const known = endpoint.isLeaving;
    endpoint.leaves();
    if (!known) this.onHealthChanged(endpoint);
  }

  onStaying(endpoint: UpstreamEndpoint): void {
    this.onHealthChanged(endpoint);
  }

  onError(endpoint: UpstreamEndpoint): void {
    this.outliers.failed(endpoint);
  }

  /** Other workers have seen so many errors of it in a row. */
  onErrorsInARow(endpoint: UpstreamEndpoint, errors: number): void {
    this.outliers.judge(endpoint, errors);
  }

  makeRoom(endpoint: UpstreamEndpoint, limit: LimitName): boolean {
    const { askForRoom } = this.settings;
    if (askForRoom === undefined || !this.hasIdle(endpoint, limit)) return false;
    askForRoom(this.name, limit === 'perEndpointConnections' ? endpoint.address : undefined);
    return true;
  }

  /** Another worker needs a connection, to this address or to any: closes one that nobody uses, if there is no room. */
  giveRoom(address: string | undefined): void {
    const { limits, connections } = this.load;
    if (address === undefined) {
      if (connections >= limits.connections) this.closeOneIdle();
      return;
    }
    const endpoint = this.find(address);
    if (endpoint && endpoint.connectionCount >= limits.perEndpointConnections) endpoint.closeOneIdle();
  }

  onChecked(endpoint: UpstreamEndpoint, failure: string | undefined): void {
    const { healthCheck } = this;
    if (healthCheck === undefined) return;
    const changed = endpoint.health.take(failure, healthCheck);
    if (failure === undefined && !endpoint.health.failing) this.outliers.passedCheck(endpoint);
    if (!changed) return;
    const told = { cluster: this.name, endpoint: endpoint.address, failure };
    this.log.info(
      told,
      failure === undefined ? 'an endpoint passes its checks' : 'an endpoint fails its checks',
    );
    this.onHealthChanged(endpoint);
  }

  /**
   * Another sidecar can use an endpoint again that this one holds for ill: checks and ejections are looked at anew.
   *
   * @param outForMs for how long others have had it ejected
   */
  hurry(endpoint: UpstreamEndpoint, outForMs: number): void {
    this.outliers.readmittedElsewhere(endpoint, outForMs);
    if (this.healthCheck !== undefined && endpoint.health.failing)
      endpoint.health.hurried = this.healthCheck.healthyThreshold;
  }

  private onEjection(endpoint: UpstreamEndpoint, why: string): void {
    const told = { cluster: this.name, endpoint: endpoint.address, why };
    this.log.info(told, endpoint.isEjected ? 'an endpoint is ejected' : 'an endpoint is readmitted');
    this.onHealthChanged(endpoint);
  }

  protected onHealthChanged(endpoint: UpstreamEndpoint): void {
    if (endpoint.usability === USABLE) endpoint.usableSinceMs = this.settings.nowMs();
    this.publish(this.endpoints);
    this.settings.onCondition(this, endpoint);
  }

  private endpointFor(config: EndpointConfig): UpstreamEndpoint {
    const known = this.byAddress.get(config.address);
    if (known === undefined) {
      const counts = this.settings.counts.forEndpoint(this.name, config.address);
      return new UpstreamEndpoint(config, this.connectTimeoutMs, this.settings, this, counts);
    }
    known.weight = config.weight;
    known.zone = config.zone;
    known.status = config.status;
    known.hashing = config.hashing;
    return known;
  }

  /** @param base the endpoints, and the tables made of them */
  private publish(base: EndpointSet): void {
    const nowMs = this.settings.nowMs();
    const { panicThreshold } = this;
    const { slowStartMs } = this.loadBalancer;
    this.keepSomebody();
    const view = viewOf(base, this.upstreams, { panicThreshold, slowStartMs, nowMs });
    this.endpoints = view.endpoints;
    this.lastResort = view.lastResort;
    this.panicking = view.panicking;
    this.nextRampMs = view.nextRampMs;
    if (view.endpoints.usableCount > 0) this.unusableSinceMs = undefined;
    else this.unusableSinceMs ??= nowMs;
    if (!this.isAtRest) this.onAwake(this);
  }

  /** Every request in flight has one connection: what there is beyond that is idle, in one worker or another. */
  private hasIdle(endpoint: UpstreamEndpoint, limit: LimitName): boolean {
    if (limit === 'perEndpointConnections') return endpoint.connectionCount > endpoint.activeRequests;
    return limit === 'connections' && this.load.connections > this.load.requests;
  }

  /** Makes room for a connection to an endpoint that has none free, where another has one too many. */
  private closeOneIdle(): boolean {
    for (const endpoint of this.upstreams) if (endpoint.closeOneIdle()) return true;
    return false;
  }

  /** Better one that is about to stop than none. */
  protected keepSomebody(): void {
    const all = [...this.upstreams];
    if (all.some(({ usability }) => usability === USABLE)) return;
    for (const endpoint of all) {
      if (!endpoint.isLeaving) continue;
      endpoint.stays();
      this.settings.onCondition(this, endpoint);
    }
  }
}
