import type { MeshService } from '../../../src/model/mesh-service.js';
import type { VersionSpec } from '../../../src/model/schema.js';
import { hasLiveEndpoints, type LiveEndpoint, type LiveStatus } from '../../endpoints/live-endpoint.js';
import type { EndpointView, Labels, ServicePort, ServiceView, SliceView } from './objects.js';

/** What is known of a namespace's objects. */
export interface ClusterObjects {
  service(namespace: string, name: string): ServiceView | undefined;
  /** Slices of a Service. */
  slices(namespace: string, service: string): Iterable<SliceView>;
  /** Labels of a pod; undefined: it is not known. */
  podLabels(namespace: string, pod: string): Labels | undefined;
}

/** Where the calls of one release go. */
export interface ResolvedRelease {
  readonly release: string;
  readonly endpoints: readonly LiveEndpoint[];
}

export interface ResolvedService {
  readonly releases: readonly ResolvedRelease[];
  /** Why a release has no endpoints, or not those that its document says: a line each, with the field. */
  readonly conditions: readonly string[];
}

/** The Service whose endpoints a release has; undefined: its document says where they are. */
export function serviceOfVersion(
  { name }: { readonly name: string },
  version: VersionSpec,
): string | undefined {
  return hasLiveEndpoints(version) ? (version.service ?? name) : undefined;
}

/** Finds the endpoints of a service's releases among the objects of the cluster. Pure. */
export function resolveService(service: MeshService, objects: ClusterObjects): ResolvedService {
  const conditions: string[] = [];
  const taken = new Map<string, string>();
  const releases = service.spec.versions.flatMap((version, index) => {
    const name = serviceOfVersion(service, version);
    if (name === undefined) return [];
    const at = `${service.name}.${service.namespace}: spec.versions[${index}]`;
    const found = endpointsOf({
      service,
      version,
      name,
      objects,
      tell: (text) => conditions.push(`${at}${text}`),
    });
    const endpoints = found.filter(({ address }) => claim(taken, address, version.name, at, conditions));
    return [{ release: version.name, endpoints }];
  });
  return { releases, conditions };
}

/** An endpoint belongs to one release: the first whose labels it has. @returns whether that is this one */
function claim(
  taken: Map<string, string>,
  address: string,
  release: string,
  at: string,
  conditions: string[],
): boolean {
  const owner = taken.get(address);
  if (owner === undefined) taken.set(address, release);
  if (owner === undefined || owner === release) return true;
  const message = `${at}: the pod ${address} belongs to release ${owner} too, which has it; make the selectors exclude each other`;
  if (!conditions.some((known) => known.startsWith(`${at}: the pod `))) conditions.push(message);
  return false;
}

interface Question {
  readonly service: MeshService;
  readonly version: VersionSpec;
  /** Of the Kubernetes Service. */
  readonly name: string;
  readonly objects: ClusterObjects;
  tell(condition: string): void;
}

function endpointsOf(question: Question): LiveEndpoint[] {
  const { service, version, name, objects, tell } = question;
  const { namespace } = service;
  const field = version.service === undefined ? '.selector' : '.service';
  const found = objects.service(namespace, name);
  if (found === undefined) {
    const fix =
      version.service === undefined ? '; a selector chooses among the pods of the Service of this name' : '';
    tell(`${field}: Service ${namespace}/${name} does not exist${fix}`);
    return [];
  }
  if (found.type === 'ExternalName') {
    tell(
      `${field}: Service ${namespace}/${name} is an ExternalName, which has no endpoints; use dns: HOST:PORT`,
    );
    return [];
  }
  const port = portOf(found, service.spec.port);
  if (port === undefined) {
    const has = found.ports.map((each) => `${each.port}/${each.transport}`).join(', ') || 'none';
    tell(
      `${field}: Service ${namespace}/${name} has no TCP port ${service.spec.port} (spec.port); it has ${has}`,
    );
    return [];
  }
  const endpoints = usableEndpoints(found, port, question);
  if (endpoints.length === 0) tell(`${field}: ${whyNone(question, found)}`);
  if (found.internalTrafficPolicy === 'Local')
    tell(
      `${field}: Service ${namespace}/${name} has internalTrafficPolicy Local; Roost uses the endpoints of all nodes`,
    );
  return endpoints;
}

/** The port that callers dial, or the only one. */
export function portOf({ ports }: ServiceView, wanted: number): ServicePort | undefined {
  const tcp = ports.filter(({ transport }) => transport === 'TCP');
  return tcp.find(({ port }) => port === wanted) ?? (tcp.length === 1 ? tcp[0] : undefined);
}

function usableEndpoints(
  found: ServiceView,
  port: ServicePort,
  { version, objects, name }: Question,
): LiveEndpoint[] {
  const { namespace, family } = found;
  const slices = [...objects.slices(namespace, name)];
  const { selector } = version;
  const matches = ({ pod }: EndpointView) =>
    selector === undefined || hasLabels(pod === '' ? undefined : objects.podLabels(namespace, pod), selector);
  const ofFamily = (wanted: string) =>
    slices.filter((slice) => slice.family === wanted).flatMap((slice) => liveEndpoints(slice, port, matches));
  const primary = ofFamily(family);
  return evenIfTerminating(primary.length > 0 ? primary : ofFamily(family === 'IPv6' ? 'IPv4' : 'IPv6'));
}

function hasLabels(labels: Labels | undefined, selector: Labels): boolean {
  return labels !== undefined && Object.entries(selector).every(([key, value]) => labels[key] === value);
}

function liveEndpoints(
  slice: SliceView,
  port: ServicePort,
  matches: (endpoint: EndpointView) => boolean,
): LiveEndpoint[] {
  const target = slice.ports.find(({ name, transport }) => name === port.name && transport === 'TCP');
  if (target === undefined) return [];
  return slice.endpoints.flatMap((endpoint) => {
    const status = statusOf(endpoint);
    if (status === undefined || !matches(endpoint)) return [];
    const zone = endpoint.zone === '' ? {} : { zone: endpoint.zone };
    return [{ address: endpoint.address, port: target.port, status, ...zone }];
  });
}

/** Undefined: the pod is as good as gone. */
function statusOf({ ready, serving, terminating }: EndpointView): LiveStatus | undefined {
  if (ready) return 'healthy';
  if (terminating) return serving ? 'draining' : undefined;
  return 'unhealthy';
}

/** As kube-proxy does: where nothing else is left, pods that terminate and still serve take requests. */
function evenIfTerminating(endpoints: LiveEndpoint[]): LiveEndpoint[] {
  if (endpoints.some(({ status }) => status === 'healthy')) return endpoints;
  return endpoints.map((each) => (each.status === 'draining' ? { ...each, status: 'healthy' } : each));
}

function whyNone({ version, objects, name }: Question, { namespace }: ServiceView): string {
  const pods = [...objects.slices(namespace, name)].reduce((sum, { endpoints }) => sum + endpoints.length, 0);
  if (pods === 0) return `Service ${namespace}/${name} has no endpoints`;
  if (version.selector === undefined)
    return `Service ${namespace}/${name} has no usable endpoint: its pods are terminating, or have no such port`;
  const labels = Object.entries(version.selector).map(([key, value]) => `${key}=${value}`);
  return `no pod of Service ${namespace}/${name} has the labels ${labels.join(',')}`;
}
