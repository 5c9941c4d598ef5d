import type { ServerResponse } from 'node:http';
import type { Test } from 'tap';
import { packAny } from '../../src/xds/descriptors.js';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../src/xds/listener.js';
import { Backend } from './backend.js';
import { type Call, caller } from './calls.js';
import { socketAddress } from './envoy.js';
import { TestMesh, toAddress } from './mesh.js';
import { PlainAdsServer } from './plain-ads-server.js';

/** One cluster that hashes `x-user-id`, in Envoy's own fields: over a wire to a sidecar, or inside an Envoy. */

export const HASHING_HOST = 'checkout.example';
const ADS = { ads: {}, resourceApiVersion: 'V3' };
const CLUSTER = 'c';

/** Endpoints of a locality, with their weights by the backend's name. */
export interface PlainLocality {
  readonly zone: string;
  /** Undefined: none is given. */
  readonly weight?: number;
  readonly endpoints: Readonly<Record<string, number>>;
}

const route = {
  match: { prefix: '/' },
  route: { cluster: CLUSTER, hashPolicy: [{ header: { headerName: 'x-user-id' } }] },
};
const routes = { name: 'routes', virtualHosts: [{ name: 'all', domains: ['*'], routes: [route] }] };

export class HashingWorld {
  /** Responses that backends hold back, in the order in which their requests came, and whose they are. */
  readonly held: { readonly backend: string; readonly response: ServerResponse }[] = [];
  private onHeld: (() => void) | undefined;
  private readonly backends = new Map<string, Backend>();

  private constructor(private readonly localities: readonly PlainLocality[]) {}

  static async start(t: Test, localities: readonly PlainLocality[]): Promise<HashingWorld> {
    const world = new HashingWorld(localities);
    for (const name of localities.flatMap(({ endpoints }) => Object.keys(endpoints))) {
      const backend = await Backend.start(t, name, (_, response) => {
        if (world.onHeld === undefined) {
          response.end(name);
          return;
        }
        world.held.push({ backend: name, response });
        world.onHeld();
      });
      world.backends.set(name, backend);
    }
    return world;
  }

  /** A sidecar that a control plane of another make tells of the cluster. */
  async sidecar(t: Test, cluster: object): Promise<Call> {
    const manager = {
      rds: { routeConfigName: 'routes', configSource: ADS },
      httpFilters: [{ name: 'router', typedConfig: packAny(ROUTER_TYPE, {}) }],
    };
    const listener = { apiListener: { apiListener: packAny(HTTP_CONNECTION_MANAGER_TYPE, manager) } };
    const eds = { type: 'EDS', edsClusterConfig: { edsConfig: ADS } };
    const server = await PlainAdsServer.start(t, {
      listener: { outbound: { name: 'outbound', ...listener } },
      route: { routes },
      cluster: { [CLUSTER]: { name: CLUSTER, ...eds, ...cluster } },
      endpoint: { [CLUSTER]: this.assignment() },
    });
    const mesh = await TestMesh.start(t);
    const { addresses } = await mesh.sidecar({ controlPlanes: [toAddress(server.address)] });
    t.same(server.rejections, []);
    return caller(t, addresses.outbound);
  }

  /** A bootstrap with the same cluster. */
  envoy(cluster: object): object {
    const manager = {
      '@type': `type.googleapis.com/${HTTP_CONNECTION_MANAGER_TYPE}`,
      statPrefix: 'outbound',
      routeConfig: routes,
      httpFilters: [{ name: 'router', typedConfig: { '@type': `type.googleapis.com/${ROUTER_TYPE}` } }],
    };
    const filters = [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: manager }];
    return {
      staticResources: {
        listeners: [{ name: 'outbound', address: socketAddress('127.0.0.1:0'), filterChains: [{ filters }] }],
        clusters: [asJson({ name: CLUSTER, type: 'STATIC', loadAssignment: this.assignment(), ...cluster })],
      },
    };
  }

  /**
   * Sends one request after the other, the next when a backend has the last, and lets them go when all are there.
   *
   * @returns which backend had each
   */
  async hold(call: Call, users: readonly string[]): Promise<string[]> {
    const answers: Promise<unknown>[] = [];
    for (const user of users) {
      const isHeld = new Promise<void>((resolve) => {
        this.onHeld = resolve;
      });
      const answer = call(HASHING_HOST, { headers: { 'x-user-id': user } });
      answers.push(answer);
      await Promise.race([
        isHeld,
        answer.then(({ status, body }) => Promise.reject(new Error(`${status}: ${body}`))),
      ]);
    }
    this.onHeld = undefined;
    const places = this.held.map(({ backend }) => backend);
    for (const { response } of this.held.splice(0)) response.end();
    await Promise.all(answers);
    return places;
  }

  private assignment(): object {
    const endpoints = this.localities.map(({ zone, weight, endpoints: members }) => ({
      locality: { zone },
      ...(weight === undefined ? {} : { loadBalancingWeight: { value: weight } }),
      lbEndpoints: Object.entries(members).map(([name, each]) => {
        const { host, port } = toAddress((this.backends.get(name) as Backend).address);
        return {
          endpoint: { address: { socketAddress: { address: host, portValue: port } } },
          loadBalancingWeight: { value: each },
        };
      }),
    }));
    return { clusterName: CLUSTER, endpoints };
  }
}

/** Protobuf's JSON has the numbers of `UInt32Value` and its kin as they are. */
function asJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && typeof value === 'object' && 'value' in value) return value.value;
  return Object.fromEntries(entries.map(([name, each]) => [name, asJson(each)]));
}
