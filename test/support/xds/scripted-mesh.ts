import fc from 'fast-check';
import { packAny } from '../../../src/xds/descriptors.js';
import { HTTP_CONNECTION_MANAGER_TYPE } from '../../../src/xds/listener.js';
import { type ResourceKind, TYPE_URL } from '../../../src/xds/resource-types.js';
import { managerWith } from './carriers.js';

/** Small meshes in Envoy's own fields, at random: what a control plane serves at one time. */

/** Of each service that there is, its clusters by name, with as many endpoints as each has. */
export type ScriptedMesh = Readonly<Record<string, Readonly<Record<string, number>>>>;

export const SERVICES = ['a', 'b', 'c'];
const RELEASES = ['1', '2', '3'];

const service = fc
  .uniqueArray(fc.constantFrom(...RELEASES), { minLength: 1 })
  .chain((releases) =>
    fc
      .tuple(...releases.map(() => fc.integer({ min: 1, max: 3 })))
      .map((counts) => Object.fromEntries(releases.map((release, i) => [release, counts[i] as number]))),
  );

export const scriptedMesh: fc.Arbitrary<ScriptedMesh> = fc
  .tuple(...SERVICES.map(() => fc.option(service, { nil: undefined })))
  .map((services) =>
    Object.fromEntries(
      SERVICES.flatMap((name, i) => {
        const releases = services[i];
        if (releases === undefined) return [];
        const clusters = Object.entries(releases).map(([release, count]) => [`${name}/${release}`, count]);
        return [[name, Object.fromEntries(clusters) as Record<string, number>]];
      }),
    ),
  );

/** Every resource of a mesh, by kind and name. */
export function resourcesOf(
  mesh: ScriptedMesh,
): Readonly<Record<ResourceKind, Readonly<Record<string, object>>>> {
  const services = Object.entries(mesh);
  const clusters = services.flatMap(([, releases]) => Object.entries(releases));
  const named = (entries: readonly (readonly [string, object])[]) => Object.fromEntries(entries);
  return {
    listener: named(services.map(([name]) => [name, listener(name)])),
    route: named(services.map(([name, releases]) => [`${name}-routes`, routes(name, Object.keys(releases))])),
    cluster: named(clusters.map(([name]) => [name, cluster(name)])),
    endpoint: named(clusters.map(([name, count]) => [name, assignment(name, count)])),
  };
}

/** What a routing table that has the whole mesh in force says: of each host, the endpoints of each cluster. */
export function expectedTable(mesh: ScriptedMesh): Record<string, Record<string, string[]>> {
  return Object.fromEntries(
    Object.entries(mesh).map(([name, releases]) => [
      `${name}.test`,
      Object.fromEntries(
        Object.entries(releases)
          .sort()
          .map(([clusterName, count]) => [clusterName, addresses(clusterName, count)]),
      ),
    ]),
  );
}

export const TYPES = Object.keys(TYPE_URL) as ResourceKind[];

function listener(name: string): object {
  const manager = managerWith({ rds: { routeConfigName: `${name}-routes`, configSource: { ads: {} } } });
  return { name, apiListener: { apiListener: packAny(HTTP_CONNECTION_MANAGER_TYPE, manager) } };
}

function routes(name: string, clusters: readonly string[]): object {
  const weighted = [...clusters].sort().map((cluster) => ({ name: cluster, weight: { value: 1 } }));
  const route = { match: { prefix: '/' }, route: { weightedClusters: { clusters: weighted } } };
  return { name: `${name}-routes`, virtualHosts: [{ name, domains: [`${name}.test`], routes: [route] }] };
}

function cluster(name: string): object {
  return { name, type: 'EDS', edsClusterConfig: { edsConfig: { ads: {} } } };
}

function addresses(name: string, count: number): string[] {
  const [service = '', release = ''] = name.split('/');
  const network = `10.${SERVICES.indexOf(service)}.${release}`;
  return Array.from({ length: count }, (_, i) => `${network}.${i + 1}:80`);
}

function assignment(clusterName: string, count: number): object {
  const lbEndpoints = addresses(clusterName, count).map((address) => {
    const [host, port] = address.split(':');
    return { endpoint: { address: { socketAddress: { address: host, portValue: Number(port) } } } };
  });
  return { clusterName, endpoints: [{ lbEndpoints }] };
}
