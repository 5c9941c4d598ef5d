import { isIP } from 'node:net';
import type { KubeObject } from '../../../src/kubernetes/kube-client.js';

/**
 * What Roost keeps of Kubernetes objects: a tenth of what the API server sends. Objects come from a cluster whose
 * tenants write them, so every member is checked; one of another type counts as absent.
 */

/** `shop/checkout`: an object within its kind. */
export type ObjectKey = string;

export interface ServiceView {
  readonly namespace: string;
  readonly name: string;
  /** As in the object; absent there: ClusterIP. */
  readonly type: string;
  /** One for each family, the primary one first; empty: headless, or ExternalName. */
  readonly clusterIps: readonly string[];
  readonly ports: readonly ServicePort[];
  /** The family of which endpoints are used if there are any: `IPv4` or `IPv6`. */
  readonly family: string;
  readonly internalTrafficPolicy: string;
}

export interface ServicePort {
  /** Empty where the Service has one port. */
  readonly name: string;
  readonly port: number;
  /** `TCP`, `UDP` or `SCTP`. */
  readonly transport: string;
  /** `kubernetes.io/h2c`, `http`; empty: the Service does not say. */
  readonly appProtocol: string;
}

export interface SliceView {
  readonly namespace: string;
  /** Of the Service; empty: none. */
  readonly service: string;
  /** `IPv4`, `IPv6` or `FQDN`. */
  readonly family: string;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly transport: string }[];
  readonly endpoints: readonly EndpointView[];
}

export interface EndpointView {
  /** Each is an address of the same pod; Kubernetes and Roost use the first. */
  readonly address: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zone: string;
  /** Name of the pod; empty: it is none. */
  readonly pod: string;
}

export type Labels = Readonly<Record<string, string>>;

type Members = Readonly<Record<string, unknown>>;
const members = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
const list = (value: unknown): readonly Members[] => (Array.isArray(value) ? value.map(members) : []);
const text = (value: unknown, absent = ''): string => (typeof value === 'string' ? value : absent);
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
const port = (value: unknown): number => (Number.isInteger(value) ? (value as number) : 0);

/** @returns undefined where an object has no name */
export function keyOf(object: KubeObject): ObjectKey | undefined {
  const { namespace, name } = members(object.metadata);
  return text(name) === '' ? undefined : `${text(namespace)}/${text(name)}`;
}

export function serviceView(object: KubeObject): ServiceView {
  const { namespace, name } = members(object.metadata);
  const spec = members(object.spec);
  const ips = texts(spec.clusterIPs);
  const clusterIps = (ips.length > 0 ? ips : [text(spec.clusterIP)]).filter((ip) => isIP(ip) !== 0);
  return {
    namespace: text(namespace),
    name: text(name),
    type: text(spec.type, 'ClusterIP'),
    clusterIps,
    ports: list(spec.ports).map((each) => ({
      name: text(each.name),
      port: port(each.port),
      transport: text(each.protocol, 'TCP'),
      appProtocol: text(each.appProtocol),
    })),
    family: texts(spec.ipFamilies)[0] ?? (isIP(clusterIps[0] ?? '') === 6 ? 'IPv6' : 'IPv4'),
    internalTrafficPolicy: text(spec.internalTrafficPolicy, 'Cluster'),
  };
}

export function sliceView(object: KubeObject): SliceView {
  const { namespace, labels } = members(object.metadata);
  return {
    namespace: text(namespace),
    service: text(members(labels)['kubernetes.io/service-name']),
    family: text(object.addressType),
    ports: list(object.ports).map((each) => ({
      name: text(each.name),
      port: port(each.port),
      transport: text(each.protocol, 'TCP'),
    })),
    endpoints: list(object.endpoints).map(endpointView),
  };
}

function endpointView({ addresses, conditions, zone, targetRef }: Members): EndpointView {
  const { ready, serving, terminating } = members(conditions);
  const target = members(targetRef);
  // Absent means ready (EndpointConditions of discovery.k8s.io/v1), and serving means ready unless it says otherwise.
  const isReady = ready !== false;
  return {
    address: texts(addresses)[0] ?? '',
    ready: isReady,
    serving: typeof serving === 'boolean' ? serving : isReady,
    terminating: terminating === true,
    zone: text(zone),
    pod: target.kind === 'Pod' ? text(target.name) : '',
  };
}

export function labelsView(object: KubeObject): Labels {
  const all = Object.entries(members(members(object.metadata).labels));
  return Object.fromEntries(all.filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}
