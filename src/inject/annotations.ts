import { isIP } from 'node:net';
import { nearestOf } from '../model/nearest.js';
import type { Problem } from '../model/problems.js';
import { INJECT_LABEL, STATUS_ANNOTATION } from './names.js';
import type { PodTemplate } from './pod-schema.js';

/** What the annotations of a pod ask for; undefined: the default of the installation. */
export interface PodOptions {
  readonly service?: string;
  readonly release?: string;
  readonly mode?: SidecarMode;
  readonly excludeInboundPorts?: readonly number[];
  readonly excludeOutboundPorts?: readonly number[];
  readonly excludeOutboundCidrs?: readonly string[];
  readonly opaquePorts?: readonly number[];
  readonly holdSeconds?: number;
  readonly logLevel?: string;
  readonly accessLog?: string;
  readonly cpuRequest?: string;
  readonly memoryRequest?: string;
  readonly cpuLimit?: string;
  readonly memoryLimit?: string;
}

/** How the sidecar is part of the pod: as a native sidecar, or as one more container. */
export type SidecarMode = (typeof SIDECAR_MODES)[number];
export const SIDECAR_MODES = ['native', 'container'] as const;

const PREFIX = 'roost.dev/';

/** What `roost sidecar --service` takes, without its namespace. */
export const SERVICE_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** What a MeshService takes as the name of a release. */
export const RELEASE_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

class InvalidValueError extends Error {}

interface Annotation {
  readonly option: keyof PodOptions;
  /** For documents. */
  readonly example: string;
  /** @throws InvalidValueError that says what would be right */
  parse(value: string): unknown;
}

/** Every annotation of a pod that injection obeys, without `roost.dev/`. docs/injection.md has the same table. */
export const ANNOTATIONS: Readonly<Record<string, Annotation>> = {
  service: {
    option: 'service',
    example: 'checkout',
    parse: matching(
      SERVICE_NAME,
      'a name of at most 63 lower-case letters, digits and "-", such as checkout',
    ),
  },
  release: {
    option: 'release',
    example: 'v2',
    parse: matching(
      RELEASE_NAME,
      'a release name of at most 63 letters, digits, "-", "_" and ".", such as v2',
    ),
  },
  sidecar: { option: 'mode', example: 'native', parse: oneOf(SIDECAR_MODES) },
  'exclude-inbound-ports': { option: 'excludeInboundPorts', example: '9090,9091', parse: ports },
  'exclude-outbound-ports': { option: 'excludeOutboundPorts', example: '5432', parse: ports },
  'exclude-outbound-cidrs': { option: 'excludeOutboundCidrs', example: '10.8.0.0/16,fd00::/8', parse: cidrs },
  'opaque-ports': { option: 'opaquePorts', example: '3306,6379', parse: ports },
  'hold-seconds': { option: 'holdSeconds', example: '8', parse: seconds },
  'log-level': {
    option: 'logLevel',
    example: 'debug',
    parse: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
  },
  'access-log': { option: 'accessLog', example: 'errors', parse: oneOf(['off', 'errors', 'all']) },
  'cpu-request': { option: 'cpuRequest', example: '100m', parse: quantity },
  'memory-request': { option: 'memoryRequest', example: '128Mi', parse: quantity },
  'cpu-limit': { option: 'cpuLimit', example: '1', parse: quantity },
  'memory-limit': { option: 'memoryLimit', example: '512Mi', parse: quantity },
};

/** Reads the `roost.dev/` annotations of a pod. Every problem names the annotation and the fix. */
export function readAnnotations(pod: PodTemplate): {
  readonly options: PodOptions;
  readonly problems: readonly Problem[];
} {
  const options: Record<string, unknown> = {};
  const problems: Problem[] = [];
  for (const [key, value] of Object.entries(pod.metadata?.annotations ?? {})) {
    if (!key.startsWith(PREFIX) || key === STATUS_ANNOTATION) continue;
    const problem = readOne(key, value, options);
    if (problem !== undefined) problems.push({ path: ['metadata', 'annotations', key], message: problem });
  }
  return { options, problems };
}

function readOne(key: string, value: string, options: Record<string, unknown>): string | undefined {
  const name = key.slice(PREFIX.length);
  const annotation = Object.hasOwn(ANNOTATIONS, name) ? ANNOTATIONS[name] : undefined;
  if (annotation === undefined) return unknownAnnotation(key, name);
  try {
    options[annotation.option] = annotation.parse(value.trim());
    return undefined;
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return `expected ${error.message}; got "${value}"`;
  }
}

function unknownAnnotation(key: string, name: string): string {
  if (key === INJECT_LABEL) return 'is a label, not an annotation; move it to metadata.labels';
  const nearest = nearestOf(name, Object.keys(ANNOTATIONS), 3);
  const known = Object.keys(ANNOTATIONS).join(', ');
  return nearest === undefined
    ? `is not an annotation of Roost; after ${PREFIX} comes one of ${known}`
    : `is not an annotation of Roost; did you mean ${PREFIX}${nearest}?`;
}

function matching(pattern: RegExp, expected: string): (value: string) => string {
  return (value) => {
    if (!pattern.test(value)) throw new InvalidValueError(expected);
    return value;
  };
}

function oneOf(choices: readonly string[]): (value: string) => string {
  return (value) => {
    if (!choices.includes(value)) throw new InvalidValueError(`one of ${choices.join(', ')}`);
    return value;
  };
}

/** A list with commas in between; an empty text is an empty list. */
function listOf<T>(value: string, parse: (item: string) => T): T[] {
  return value === '' ? [] : value.split(',').map((item) => parse(item.trim()));
}

function ports(value: string): number[] {
  return listOf(value, (item) => {
    const port = Number(item);
    if (!/^\d{1,5}$/.test(item) || port < 1 || port > 65_535)
      throw new InvalidValueError('ports from 1 to 65535 with commas in between, such as 5432,6379');
    return port;
  });
}

function cidrs(value: string): string[] {
  return listOf(value, (item) => {
    const [address = '', bits = ''] = item.split('/');
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > most)
      throw new InvalidValueError(
        'address ranges with commas in between, such as 10.8.0.0/16 or fd00::/8 (one address: 10.8.0.1/32)',
      );
    return item;
  });
}

function seconds(value: string): number {
  if (!/^\d{1,3}$/.test(value)) throw new InvalidValueError('whole seconds from 0 to 999, such as 8');
  return Number(value);
}

/** A quantity as Kubernetes writes it, more than nothing. */
function quantity(value: string): string {
  if (!/^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/.test(value) || Number.parseFloat(value) === 0)
    throw new InvalidValueError('a quantity of Kubernetes, such as 100m or 128Mi');
  return value;
}
