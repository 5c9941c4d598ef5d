import { randomBytes } from 'node:crypto';
import { translateService } from '../../control-plane/translate/service.js';
import { type MeshService, parseMeshService } from '../../src/model/mesh-service.js';
import { rolloutAfter } from '../../src/model/rollout.js';
import { compileVirtualHost } from '../../src/routing/compile.js';
import {
  type DecisionContext,
  findRoute,
  type NoEndpoint,
  type Placement,
  place,
} from '../../src/routing/decide.js';
import { DomainTable } from '../../src/routing/domains.js';
import { type Endpoint, EndpointSet, USABLE, type Usability } from '../../src/routing/endpoint-set.js';
import type { Pin } from '../../src/routing/pins.js';
import type { Cluster, Release } from '../../src/routing/release.js';
import { plainRequest } from '../../src/routing/request-view.js';
import { newSessionKey, RANDOM_BYTES } from '../../src/routing/session-cookie.js';
import type { Affinity } from '../../src/routing/table.js';
import { decodeCluster } from '../../src/xds/cluster.js';
import { decodeAssignment, type EndpointConfig } from '../../src/xds/endpoint.js';
import { decodeRouteConfiguration } from '../../src/xds/route.js';

/**
 * A routing table made the way production makes it: resource → xDS bytes → decoded → compiled. Sessions are
 * kept in a plain map.
 */
export class MeshTable {
  readonly clusters = new Map<
    string,
    { name: string; endpoints: EndpointSet; unusableSinceMs: number | undefined }
  >();
  nowMs = 1_000_000;
  /** What new session cookies are dated by. */
  wallMs: () => number = Date.now;
  /** Leaves our payload out, as a control plane that is not ours would. */
  standardFieldsOnly = false;
  incarnations: Record<string, string> = {};
  table = DomainTable.of([]);
  private service: MeshService | undefined;
  /** Apply by which the rollout under way began, from 1. */
  rollout: number | undefined;
  private revision = 0;
  private readonly usability = new Map<string, Usability>();

  /**
   * @param pins given where several tables are to share one, as sidecars share what travels in cookies
   * @param makeEndpoint what stands for each configured endpoint
   */
  constructor(
    readonly secret: Buffer = Buffer.from('a secret of the mesh, for tests.'),
    readonly pins = new Map<string, Pin>(),
    private readonly makeEndpoint: (config: EndpointConfig) => Endpoint = (config) => ({
      ...config,
      activeRequests: 0,
    }),
  ) {}

  /** Puts this service in force, replacing what was there. */
  apply(resource: unknown): MeshService {
    const service = parseMeshService(resource);
    const before = this.service && { service: this.service, rollout: this.rollout };
    this.rollout = rolloutAfter(before, service, ++this.revision);
    this.service = service;
    const context = {
      pinSecret: this.secret,
      incarnation: (_: MeshService, r: string) => this.incarnations[r] ?? r,
      rollout: () => this.rollout,
    };
    const { shared, localRoutes } = translateService(service, context);
    const assignments = new Map(
      shared.filter((r) => r.kind === 'endpoint').map((r) => [r.name, decodeAssignment(r.bytes)]),
    );
    for (const { bytes } of shared.filter((r) => r.kind === 'cluster')) {
      const { name, loadBalancer } = decodeCluster(bytes);
      const endpoints = (assignments.get(name)?.endpoints ?? []).map(this.makeEndpoint);
      const set = EndpointSet.of(endpoints, loadBalancer, (e) => this.usability.get(e.address) ?? USABLE);
      const known = this.clusters.get(name);
      if (known) known.endpoints = set;
      else this.clusters.set(name, { name, endpoints: set, unusableSinceMs: undefined });
    }
    const config = decodeRouteConfiguration(localRoutes.bytes);
    const options = {
      cluster: (name: string) => this.cluster(name),
      mintKey: () => newSessionKey(randomBytes(RANDOM_BYTES), this.wallMs() / 1000),
    };
    const hosts = config.virtualHosts.map((host) =>
      this.standardFieldsOnly ? { ...host, policy: undefined } : host,
    );
    this.table = DomainTable.of(hosts.map((host) => [host.domains, compileVirtualHost(host, options)]));
    return service;
  }

  /** Marks an endpoint usable, usable by its pinned sessions, or unusable. */
  setUsability(address: string, usability: Usability): void {
    this.usability.set(address, usability);
    for (const cluster of this.clusters.values()) {
      cluster.endpoints = cluster.endpoints.withUsability((e) => this.usability.get(e.address) ?? USABLE);
      if (cluster.endpoints.usableCount > 0) cluster.unusableSinceMs = undefined;
      else cluster.unusableSinceMs ??= this.nowMs;
    }
  }

  /**
   * Decides one request and keeps the pin that follows from it, as the sidecar does.
   *
   * @param without releases that have refused this request already
   * @param findPin where pins are known that {@link pins} does not have
   */
  send(
    authority: string,
    options: Parameters<typeof plainRequest>[0] = {},
    random = Math.random,
    without: readonly Release[] = [],
    findPin: DecisionContext['findPin'] = (affinity, hash) => this.pins.get(pinKey(affinity, hash)),
  ): Placement | NoEndpoint {
    const request = plainRequest(options);
    const host = this.table.find(authority);
    if (host === undefined) throw new Error(`no virtual host for ${authority}`);
    const route = findRoute(host, request, random);
    if (route === undefined) throw new Error(`no route on ${authority} for ${options.path ?? '/'}`);
    const context: DecisionContext = { nowMs: this.nowMs, random, findPin };
    const placed = place(host, route, request, context, without);
    if (placed.endpoint !== undefined && placed.pinTo && placed.session && route.affinity) {
      this.pins.set(pinKey(route.affinity, placed.session.pinHash), pinFor(placed, route.affinity));
    }
    return placed;
  }

  /** Release and endpoint of one request, as `v2 10.0.2.1:80`. */
  where(authority: string, options: Parameters<typeof plainRequest>[0] = {}): string {
    const placed = this.send(authority, options);
    return `${placed.release.name} ${placed.endpoint?.address ?? 'none'}`;
  }

  private cluster(name: string): Cluster {
    const known = this.clusters.get(name);
    if (known === undefined) throw new Error(`no cluster ${name}`);
    return known;
  }
}

export function pinFor(placed: Placement, affinity: Affinity): Pin {
  if (placed.pinTo === undefined) throw new Error('nothing to pin');
  return affinity.digests.pin(placed.pinTo, placed.endpoint.address);
}

function pinKey(affinity: Affinity, hash: bigint): string {
  return `${affinity.scope} ${hash}`;
}
