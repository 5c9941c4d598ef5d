import { stringify } from 'yaml';
import { type Imported, importIngress } from '../../../src/import-ingress/import-ingress.js';
import { parseYaml } from '../../../src/model/yaml-source.js';

/** Manifests as tests write them: annotations without their prefix, one rule unless more are given. */
export interface IngressShape {
  readonly name?: string;
  readonly namespace?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly host?: string;
  readonly rules?: readonly RuleShape[];
  readonly created?: string;
}

export interface RuleShape {
  readonly path?: string;
  readonly pathType?: string;
  readonly service?: string;
  readonly port?: number | string;
}

const PREFIX = 'nginx.ingress.kubernetes.io/';
export const HOST = 'foo.example';
/** The path that a rule has unless it says another. */
export const PATH = '/info';

export function ingress(service: string, shape: IngressShape = {}): object {
  const { name = service, namespace, annotations = {}, host = HOST, rules = [{}], created } = shape;
  const prefixed = Object.entries(annotations).map(([key, value]) => [`${PREFIX}${key}`, value]);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(created === undefined ? {} : { creationTimestamp: created }),
      annotations: Object.fromEntries(prefixed),
    },
    spec: {
      rules: [
        { ...(host === '' ? {} : { host }), http: { paths: rules.map((rule) => toPath(rule, service)) } },
      ],
    },
  };
}

function toPath(
  { path = PATH, pathType = 'Prefix', service, port = 80 }: RuleShape,
  ofIngress: string,
): object {
  const reference = typeof port === 'number' ? { number: port } : { name: port };
  return { path, pathType, backend: { service: { name: service ?? ofIngress, port: reference } } };
}

/** A canary Ingress of the same rule; `canary: "true"` need not be given. */
export function canary(
  service: string,
  annotations: Readonly<Record<string, string>>,
  shape: IngressShape = {},
): object {
  return ingress(service, { ...shape, annotations: { canary: 'true', ...annotations } });
}

/** A pod of a Service, in a slice of its own so that each may have a port of its own. */
export function slice(service: string, address: string, namespace?: string): object {
  const [ip, port] = address.split(':');
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-${port}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: 'IPv4',
    ports: [{ port: Number(port) }],
    endpoints: [{ addresses: [ip] }],
  };
}

export function toYaml(objects: readonly object[]): string {
  return objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n');
}

/** Through YAML and back, as the command reads it. */
export function importYaml(yaml: string, namespace = 'default', file = 'ingress.yaml'): Imported {
  const { documents, problems } = parseYaml(file, yaml);
  return importIngress(documents, problems, { namespace });
}

export function importObjects(objects: readonly object[], namespace = 'default'): Imported {
  return importYaml(toYaml(objects), namespace);
}
