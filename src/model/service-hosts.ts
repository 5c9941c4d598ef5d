import { isIP } from 'node:net';
import { isHostname } from './formats.js';
import type { MeshService, ServiceKey } from './mesh-service.js';

/** The hosts that follow from a service's name, for callers of every namespace. */
export function generatedHosts({
  name,
  namespace,
}: {
  readonly name: string;
  readonly namespace: string;
}): string[] {
  return [`${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
}

/** The service that has a host for its own name, whether it exists or not: `account.bank.svc` → `bank/account`. */
export function serviceOfHost(host: string): ServiceKey | undefined {
  const [name, namespace, ...suffix] = host.split('.');
  if (!name || !namespace || !['', 'svc', 'svc.cluster.local'].includes(suffix.join('.'))) return undefined;
  return `${namespace}/${name}`;
}

/**
 * The namespace that a host belongs to whatever services there are: that of `account.bank.svc.cluster.local`, and of
 * what Kubernetes names below it, is `bank`. `account.bank` may be a host of the world outside.
 */
export function namespaceOfHost(host: string): string | undefined {
  return /\.([^.]+)\.svc(?:\.cluster\.local)?$/.exec(host)?.[1];
}

/**
 * Every host a service answers to, without ports: `name.ns`, the two longer Kubernetes forms and
 * `spec.hosts`; the bare name only for callers of the same namespace.
 */
export function serviceHosts(service: MeshService, callerNamespace: string): string[] {
  const { name, namespace } = service;
  const bare = callerNamespace === namespace ? [name] : [];
  return [...new Set([...bare, ...generatedHosts(service), ...service.spec.hosts])];
}

/** The same hosts as a caller may write them: each also with the service's port. */
export function serviceAuthorities(service: MeshService, callerNamespace: string): string[] {
  return serviceHosts(service, callerNamespace).flatMap((host) => withPort(service, host));
}

/** A host as callers may write it, without the service's port and with it. */
export function withPort({ spec }: MeshService, host: string): string[] {
  return [host, `${host}:${spec.port}`];
}

/** Whether a service may answer to a host, in lower case, with a port or without. Addresses are not looked up. */
export function mayBeServiceHost(authority: string): boolean {
  const host = authority.replace(/:\d{1,5}$/, '');
  return isHostname(host) && isIP(host) === 0;
}
