import type { SourceMark } from './config-state.js';

/**
 * Marks of documents that come from Kubernetes. A MeshService of the cluster is declared there, and is changed there.
 * A Service that no MeshService describes is only the default: what the API or a file says takes its place.
 */
const KUBERNETES = 'kubernetes:';
const PLAIN_SERVICE = `${KUBERNETES}service/`;

/** @param key `shop/checkout` */
export function meshServiceFile(key: string): string {
  return `${KUBERNETES}meshservice/${key}`;
}

/** @param key `shop/checkout` */
export function plainServiceFile(key: string): string {
  return `${PLAIN_SERVICE}${key}`;
}

export function isFromFile(mark: SourceMark | undefined): boolean {
  return mark !== undefined && !isFromKubernetes(mark);
}

export function isFromKubernetes(mark: SourceMark | undefined): boolean {
  return mark?.file.startsWith(KUBERNETES) ?? false;
}

/** Whether the document gives way to any other. */
export function isDefault(mark: SourceMark | undefined): boolean {
  return mark?.file.startsWith(PLAIN_SERVICE) ?? false;
}
