import type { z } from 'zod';
import { type Path, toProblems } from '../model/problems.js';
import type { LocatedProblem, SourceDocument } from '../model/yaml-source.js';
import {
  type DeploymentObject,
  deploymentSchema,
  type EndpointSliceObject,
  type EndpointsObject,
  endpointSliceSchema,
  endpointsSchema,
  type IngressObject,
  ingressSchema,
  type ServiceObject,
  serviceSchema,
} from './manifests.js';

/** One Kubernetes object with the way back to where it was written. */
export interface Manifest<Value = unknown> {
  /** `Ingress shop/checkout`: how the report names it. */
  readonly object: string;
  /** `shop/checkout` */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly file: string;
  readonly value: Value;
  /** As it was written, unknown fields included. */
  readonly raw: unknown;
  locate(path: Path): { readonly line: number; readonly column: number };
  /** A path in the object as a path in its document, which may be a List. */
  pathInFile(path: Path): Path;
}

export interface Manifests {
  /** The oldest first. */
  readonly ingresses: readonly Manifest<IngressObject>[];
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, Manifest<ServiceObject>>;
  /** By the Service's `namespace/name`. */
  readonly slices: ReadonlyMap<string, readonly Manifest<EndpointSliceObject>[]>;
  readonly endpoints: ReadonlyMap<string, Manifest<EndpointsObject>>;
  readonly deployments: readonly Manifest<DeploymentObject>[];
  /** Objects of other kinds, and why they are none of ours. */
  readonly ignored: readonly { readonly manifest: Manifest; readonly reason: string }[];
}

interface Sorted {
  ingresses: Manifest<IngressObject>[];
  services: Map<string, Manifest<ServiceObject>>;
  slices: Map<string, Manifest<EndpointSliceObject>[]>;
  endpoints: Map<string, Manifest<EndpointsObject>>;
  deployments: Manifest<DeploymentObject>[];
  ignored: { manifest: Manifest; reason: string }[];
  problems: LocatedProblem[];
}

/** Sorts the objects of all documents by kind; what is broken is named and left out. */
export function readManifests(
  documents: readonly SourceDocument[],
  defaultNamespace: string,
): { manifests: Manifests; problems: readonly LocatedProblem[] } {
  const sorted: Sorted = {
    ingresses: [],
    services: new Map(),
    slices: new Map(),
    endpoints: new Map(),
    deployments: [],
    ignored: [],
    problems: [],
  };
  for (const document of documents) {
    for (const object of unfold(document, document.value, [])) sortOne(object, defaultNamespace, sorted);
  }
  return { manifests: { ...sorted, ingresses: byAge(sorted.ingresses) }, problems: sorted.problems };
}

interface RawObject {
  readonly document: SourceDocument;
  readonly value: Record<string, unknown>;
  /** Where it is in its document. */
  readonly at: Path;
  readonly apiVersion: string;
  readonly kind: string;
}

/** A List is as good as its items; those of an IngressList need not repeat their kind. */
function unfold(document: SourceDocument, value: unknown, at: Path, parent?: RawObject): RawObject[] {
  const fields = isMap(value) ? value : {};
  const inherited = parent?.kind.endsWith('List') ? parent.kind.slice(0, -'List'.length) : '';
  const object: RawObject = {
    document,
    value: fields,
    at,
    apiVersion: textOf(fields.apiVersion) || (parent?.apiVersion ?? ''),
    kind: textOf(fields.kind) || inherited,
  };
  if (!object.kind.endsWith('List') || !Array.isArray(fields.items)) return [object];
  return fields.items.flatMap((item, i) => unfold(document, item, [...at, 'items', i], object));
}

/** Reads an object of one kind; false: it is of another API that has the same kind. */
type Reader = (raw: RawObject, defaultNamespace: string, sorted: Sorted) => boolean;

function reader<Schema extends z.ZodType>(
  apiVersions: RegExp,
  schema: Schema,
  keep: (manifest: Manifest<z.output<Schema>>, sorted: Sorted) => unknown,
): Reader {
  return (raw, defaultNamespace, sorted) => {
    if (!apiVersions.test(raw.apiVersion)) return false;
    const manifest = parse(raw, schema, defaultNamespace, sorted.problems);
    if (manifest) keep(manifest, sorted);
    return true;
  };
}

const READERS: Readonly<Record<string, Reader>> = {
  Ingress: reader(
    /^(networking\.k8s\.io\/v1(beta1)?|extensions\/v1beta1)$/,
    ingressSchema,
    (ingress, sorted) => sorted.ingresses.push(ingress),
  ),
  Service: reader(/^v1$/, serviceSchema, (service, { services }) => services.set(service.key, service)),
  EndpointSlice: reader(/^discovery\.k8s\.io\//, endpointSliceSchema, (slice, { slices }) =>
    addSlice(slice, slices),
  ),
  Endpoints: reader(/^v1$/, endpointsSchema, (manifest, { endpoints }) =>
    endpoints.set(manifest.key, manifest),
  ),
  Deployment: reader(/^apps\//, deploymentSchema, (deployment, sorted) =>
    sorted.deployments.push(deployment),
  ),
};

function sortOne(raw: RawObject, defaultNamespace: string, sorted: Sorted): void {
  if (raw.kind === '') {
    const where = raw.document.locate(raw.at);
    const message = 'is not a Kubernetes object: it has no kind';
    sorted.problems.push({ file: raw.document.file, ...where, path: raw.at, message });
    return;
  }
  if (isListOfOurs(raw.kind)) {
    const at = [...raw.at, 'items'];
    const message = `${raw.kind} has no list of items`;
    sorted.problems.push({ file: raw.document.file, ...raw.document.locate(at), path: at, message });
    return;
  }
  const read = Object.hasOwn(READERS, raw.kind) ? READERS[raw.kind] : undefined;
  if (read?.(raw, defaultNamespace, sorted)) return;
  const reason = `the import reads no ${raw.kind} of ${raw.apiVersion || 'no apiVersion'}`;
  sorted.ignored.push({ manifest: describe(raw, raw.value, defaultNamespace), reason });
}

/** A `List`, or one of a kind that is read; with items it would have been unfolded. */
function isListOfOurs(kind: string): boolean {
  const item = kind.endsWith('List') ? kind.slice(0, -'List'.length) : undefined;
  return item === '' || (item !== undefined && Object.hasOwn(READERS, item));
}

function parse<Schema extends z.ZodType>(
  raw: RawObject,
  schema: Schema,
  defaultNamespace: string,
  problems: LocatedProblem[],
): Manifest<z.output<Schema>> | undefined {
  const parsed = schema.safeParse(raw.value);
  if (parsed.success) return describe(raw, parsed.data, defaultNamespace);
  const manifest = describe(raw, raw.value, defaultNamespace);
  for (const { path, message } of toProblems(parsed.error.issues, raw.value)) {
    problems.push({
      file: manifest.file,
      ...manifest.locate(path),
      path: manifest.pathInFile(path),
      message: `${manifest.object}: ${message}`,
    });
  }
  return undefined;
}

function describe<Value>(raw: RawObject, value: Value, defaultNamespace: string): Manifest<Value> {
  const metadata = isMap(raw.value.metadata) ? raw.value.metadata : {};
  const name = textOf(metadata.name) || '(no name)';
  const namespace = textOf(metadata.namespace) || defaultNamespace;
  const pathInFile = (path: Path) => [...raw.at, ...path];
  return {
    object: `${raw.kind} ${namespace}/${name}`,
    key: `${namespace}/${name}`,
    namespace,
    name,
    file: raw.document.file,
    value,
    raw: raw.value,
    pathInFile,
    locate: (path) => raw.document.locate(pathInFile(path)),
  };
}

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

function addSlice(
  slice: Manifest<EndpointSliceObject>,
  slices: Map<string, Manifest<EndpointSliceObject>[]>,
): void {
  const service = slice.value.metadata.labels?.[SERVICE_NAME_LABEL];
  if (service === undefined) return;
  const key = `${slice.namespace}/${service}`;
  slices.set(key, [...(slices.get(key) ?? []), slice]);
}

/**
 * As ingress-nginx orders them: by their time of creation, then by name. Manifests that were never in a cluster
 * have no such time; then the order of the files counts.
 */
function byAge(ingresses: readonly Manifest<IngressObject>[]): readonly Manifest<IngressObject>[] {
  const createdAt = ({ value }: Manifest<IngressObject>) =>
    Date.parse(value.metadata.creationTimestamp ?? '');
  if (ingresses.some((ingress) => Number.isNaN(createdAt(ingress)))) return ingresses;
  return ingresses.toSorted((a, b) => createdAt(a) - createdAt(b) || (a.key < b.key ? -1 : 1));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
