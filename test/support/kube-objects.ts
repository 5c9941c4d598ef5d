/** Objects of Kubernetes with what discovery looks at. */

export const SERVICES = '/api/v1/services';
export const SLICES = '/apis/discovery.k8s.io/v1/endpointslices';
export const PODS = '/api/v1/pods';
export const MESH_SERVICES = '/apis/roost.dev/v1alpha1/meshservices';

const placed = (key: string) => {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
};

export function kubeService(key: string, spec: object = {}) {
  const clusterIP = '10.96.0.10';
  return {
    metadata: placed(key),
    spec: { type: 'ClusterIP', clusterIP, ports: [{ port: 8080, protocol: 'TCP' }], ...spec },
  };
}

export interface SliceEndpoint {
  readonly ip: string;
  readonly pod?: string;
  readonly zone?: string;
  readonly conditions?: object;
}

/** @param service `shop/cart`; the slice is called after it */
export function kubeSlice(service: string, endpoints: readonly SliceEndpoint[], more: object = {}) {
  const { namespace, name } = placed(service);
  return {
    metadata: { namespace, name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 80, protocol: 'TCP' }],
    endpoints: endpoints.map(({ ip, pod, zone, conditions }) => ({
      addresses: [ip],
      conditions: conditions ?? { ready: true, serving: true, terminating: false },
      ...(zone && { zone }),
      ...(pod && { targetRef: { kind: 'Pod', namespace, name: pod } }),
    })),
    ...more,
  };
}

export function kubePod(key: string, labels: Readonly<Record<string, string>>) {
  return { metadata: { ...placed(key), labels } };
}

export function kubeMeshService(key: string, spec: object) {
  return { apiVersion: 'roost.dev/v1alpha1', kind: 'MeshService', metadata: placed(key), spec };
}
