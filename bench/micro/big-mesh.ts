/** Services of a large installation, as operators write them. */

export interface BigMeshOptions {
  readonly services: number;
  readonly endpointsEach: number;
  readonly routesEach: number;
}

export function bigMesh(options: BigMeshOptions): object[] {
  return Array.from({ length: options.services }, (_, i) => bigService(i, options));
}

export function serviceName(i: number): string {
  return `svc-${String(i).padStart(4, '0')}`;
}

function bigService(i: number, { endpointsEach, routesEach }: BigMeshOptions): object {
  const half = Math.max(1, endpointsEach >> 1);
  const endpoints = (release: number) =>
    Array.from({ length: half }, (_, n) => ({
      address: `10.${i >> 8}.${i & 255}.${release * half + n + 1}:8080`,
    }));
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: serviceName(i), namespace: 'shop' },
    spec: {
      port: 8080,
      versions: [
        { name: 'v1', endpoints: endpoints(0) },
        { name: 'v2', endpoints: endpoints(1) },
      ],
      routes: Array.from({ length: routesEach }, (_, n) => route(n, n === routesEach - 1)),
      affinity: { key: [{ header: 'x-user-id' }], version: 'balanced', endpoint: 'balanced' },
    },
  };
}

/** A third by path, a third by header, a third by both; the last one holds for every request. */
function route(n: number, last: boolean): object {
  const split = [
    { version: 'v1', weight: 80 },
    { version: 'v2', weight: 20 },
  ];
  if (last) return { name: 'default', split };
  const path = { path: { prefix: pathOf(n) } };
  const headers = { headers: [{ name: 'x-region', exact: regionOf(n) }] };
  const match = [path, headers, { ...path, ...headers }][n % 3] as object;
  return { name: `route-${n}`, match: [match], split };
}

export function pathOf(n: number): string {
  return `/api/v1/area-${n}`;
}

export function regionOf(n: number): string {
  return `region-${n}`;
}
