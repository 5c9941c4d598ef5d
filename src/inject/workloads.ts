import type { Path } from '../model/problems.js';
import type { Owner } from './identity.js';

/** Where the pod template of a kind is, by API group and kind. */
const TEMPLATES: Readonly<Record<string, Path>> = {
  '/Pod': [],
  '/PodTemplate': ['template'],
  '/ReplicationController': ['spec', 'template'],
  'apps/Deployment': ['spec', 'template'],
  'apps/ReplicaSet': ['spec', 'template'],
  'apps/StatefulSet': ['spec', 'template'],
  'apps/DaemonSet': ['spec', 'template'],
  'batch/Job': ['spec', 'template'],
  'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
  'argoproj.io/Rollout': ['spec', 'template'],
};

/** One object of a manifest. */
export interface ManifestObject {
  /** `Deployment shop/checkout`, for messages. */
  readonly title: string;
  /** Of the object in its document. */
  readonly path: Path;
  /** Its pod template, if it is a workload. */
  readonly workload?: { readonly path: Path; readonly template: unknown; readonly owner: Owner };
}

type Fields = Readonly<Record<string, unknown>>;

/** The objects of a document: itself, or those of a List. */
export function objectsOf(document: unknown, path: Path = []): ManifestObject[] {
  if (!isFields(document)) return [];
  const { kind, items } = document;
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items))
    return items.flatMap((item, i) => objectsOf(item, [...path, 'items', i]));
  return [objectOf(document, path)];
}

function objectOf(object: Fields, path: Path): ManifestObject {
  const { kind = 'object without kind', apiVersion } = object;
  const metadata = isFields(object.metadata) ? object.metadata : {};
  const name = String(metadata.name ?? metadata.generateName ?? '').replace(/-$/, '');
  const place = metadata.namespace === undefined ? name : `${metadata.namespace}/${name}`;
  const title = `${kind} ${place}`.trim();
  const group = String(apiVersion ?? '').includes('/') ? String(apiVersion).split('/')[0] : '';
  const template = TEMPLATES[`${group}/${kind}`];
  if (template === undefined || apiVersion === undefined) return { title, path };
  const value = template.reduce<unknown>((at, key) => (isFields(at) ? at[key] : undefined), object);
  // A Rollout may refer to a Deployment instead.
  if (value === undefined && kind === 'Rollout') return { title, path };
  const owner = { kind: String(kind), name };
  return { title, path, workload: { path: [...path, ...template], template: value, owner } };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
