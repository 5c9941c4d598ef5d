import { isIP } from 'node:net';
import { formatAddress } from '../net/ip-address.js';
import type { VersionInput } from './document.js';
import type { EndpointSliceObject, EndpointsObject, ServiceObject } from './manifests.js';
import type { Manifest, Manifests } from './read-manifests.js';

/** A Service's port that a rule leads to: what ingress-nginx calls an upstream. */
export interface Backend {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  /** `shop/checkout:8080` */
  readonly id: string;
}

/** @returns a text: why there is no such backend */
export function findBackend(
  ref:
    | { readonly service: string | undefined; readonly port: number | string | undefined }
    | null
    | undefined,
  namespace: string,
  manifests: Manifests,
): Backend | string {
  if (!ref) return 'has no backend';
  const { service, port } = ref;
  if (service === undefined) return 'its backend is no Service';
  if (port === undefined) return `its backend, Service ${service}, has no port`;
  const known = manifests.services.get(`${namespace}/${service}`);
  const ports = known?.value.spec.ports ?? [];
  const found = ports.find(
    (candidate) => (typeof port === 'number' ? candidate.port : candidate.name) === port,
  );
  const number = found?.port ?? (known && ports.length > 0 ? undefined : port);
  if (typeof number === 'number')
    return { namespace, service, port: number, id: `${namespace}/${service}:${number}` };
  if (known === undefined)
    return `its backend has the port "${port}" by name; add Service ${service} to the files, so that its number is known`;
  const names = ports.map((candidate) => `${candidate.port}${candidate.name ? ` (${candidate.name})` : ''}`);
  return `Service ${service} has no port ${port}; it has ${names.join(', ') || 'none'}`;
}

/** Where a release's pods are, as far as the files say. */
export interface Whereabouts {
  readonly location: Pick<VersionInput, 'endpoints' | 'dns'>;
  readonly note: string;
  /** One address stands for all pods, so that nothing here can choose among them. */
  readonly hidesPods: boolean;
}

/** @param serviceAddress whether the Service's own address was asked for (`service-upstream`) */
export function locate(backend: Backend, manifests: Manifests, serviceAddress: boolean): Whereabouts {
  const key = `${backend.namespace}/${backend.service}`;
  const service = manifests.services.get(key);
  const endpoints = serviceAddress ? [] : endpointsOf(backend, service, manifests);
  if (endpoints.length > 0) {
    const note = `${endpoints.length} pods from the files; they are not followed when they change`;
    return { location: { endpoints }, note, hidesPods: false };
  }
  const { type, externalName, clusterIP } = service?.value.spec ?? {};
  if (type === 'ExternalName' && externalName)
    return dns(externalName, backend.port, false, 'the name that the Service stands for');
  const name = `${backend.service}.${backend.namespace}.svc.cluster.local`;
  if (clusterIP !== 'None') {
    const what = service
      ? "the Service's own address"
      : 'Service not in the files; its own address, unless it is headless';
    return dns(name, backend.port, true, `${what}, behind which kube-proxy picks the pod`);
  }
  const port = targetPort(service as Manifest<ServiceObject>, backend, manifests);
  const note = 'a headless Service: the addresses of its pods, followed as they change';
  if (port !== undefined) return dns(name, port, false, note);
  return dns(
    name,
    backend.port,
    false,
    `${note}; its targetPort is a name that no Deployment in the files has, so check the port`,
  );
}

function dns(name: string, port: number, hidesPods: boolean, note: string): Whereabouts {
  return { location: { dns: `${name}:${port}` }, note, hidesPods };
}

type EndpointInput = NonNullable<VersionInput['endpoints']>[number];

function endpointsOf(
  backend: Backend,
  service: Manifest<ServiceObject> | undefined,
  manifests: Manifests,
): EndpointInput[] {
  const key = `${backend.namespace}/${backend.service}`;
  const portName = service?.value.spec.ports?.find(({ port }) => port === backend.port)?.name ?? undefined;
  const slices = manifests.slices.get(key) ?? [];
  const endpoints = manifests.endpoints.get(key);
  const found =
    slices.length > 0
      ? sameFamily(slices).flatMap((slice) => fromSlice(slice.value, portName))
      : endpoints === undefined
        ? []
        : fromEndpoints(endpoints.value, portName);
  return [...new Map(found.map((endpoint) => [endpoint.address, endpoint])).values()];
}

/** A pod of two families is in two slices; it is one endpoint. */
function sameFamily(
  slices: readonly Manifest<EndpointSliceObject>[],
): readonly Manifest<EndpointSliceObject>[] {
  const ipv4 = slices.filter(({ value }) => (value.addressType ?? 'IPv4') === 'IPv4');
  return ipv4.length > 0 ? ipv4 : slices;
}

interface NamedPort {
  readonly name?: string | null | undefined;
  readonly port?: number | null | undefined;
}

/** The port of this name; without a name, the only one. */
function portOf(
  ports: readonly NamedPort[] | null | undefined,
  name: string | undefined,
): number | undefined {
  const [first, ...others] = ports ?? [];
  const named = ports?.find((port) => (port.name ?? '') === (name ?? ''));
  return (named ?? (others.length === 0 ? first : undefined))?.port ?? undefined;
}

function fromSlice({ ports, endpoints }: EndpointSliceObject, portName: string | undefined): EndpointInput[] {
  const port = portOf(ports, portName);
  if (port === undefined) return [];
  return (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses, zone }) =>
      // Of several addresses of one endpoint, Kubernetes means the first.
      addresses.slice(0, 1).flatMap((ip) => toEndpoint(ip, port, zone ?? undefined)),
    );
}

function fromEndpoints({ subsets }: EndpointsObject, portName: string | undefined): EndpointInput[] {
  return (subsets ?? []).flatMap(({ addresses, ports }) => {
    const port = portOf(ports, portName);
    if (port === undefined) return [];
    return (addresses ?? []).flatMap(({ ip }) => toEndpoint(ip, port, undefined));
  });
}

function toEndpoint(ip: string, port: number, zone: string | undefined): EndpointInput[] {
  if (isIP(ip) === 0) return [];
  return [{ address: formatAddress(ip, port), ...(zone ? { zone } : {}) }];
}

/** The pods' own port, which a headless Service does not translate. */
function targetPort(
  service: Manifest<ServiceObject>,
  backend: Backend,
  manifests: Manifests,
): number | undefined {
  const { ports, selector } = service.value.spec;
  const target = ports?.find(({ port }) => port === backend.port)?.targetPort ?? backend.port;
  if (typeof target === 'number') return target;
  if (/^\d+$/.test(target)) return Number(target);
  const wanted = Object.entries(selector ?? {});
  const containers = manifests.deployments
    .filter(({ namespace }) => namespace === backend.namespace)
    .map(({ value }) => value.spec.template)
    .filter(
      ({ metadata }) =>
        wanted.length > 0 && wanted.every(([name, value]) => metadata?.labels?.[name] === value),
    )
    .flatMap(({ spec }) => spec?.containers ?? []);
  const named = containers.flatMap(({ ports: open }) => open ?? []).find(({ name }) => name === target);
  return named?.containerPort;
}
