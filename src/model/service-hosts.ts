import type { MeshService } from './mesh-service.js';

/**
 * Every host a service answers to, without ports: `name.ns`, the two longer Kubernetes forms and
 * `spec.hosts`; the bare name only for callers of the same namespace.
 */
export function serviceHosts(service: MeshService, callerNamespace: string): string[] {
  const { name, namespace } = service;
  const qualified = [
    `${name}.${namespace}`,
    `${name}.${namespace}.svc`,
    `${name}.${namespace}.svc.cluster.local`,
  ];
  const bare = callerNamespace === namespace ? [name] : [];
  return [...new Set([...bare, ...qualified, ...service.spec.hosts])];
}

/** The same hosts as a caller may write them: each also with the service's port. */
export function serviceAuthorities(service: MeshService, callerNamespace: string): string[] {
  return serviceHosts(service, callerNamespace).flatMap((host) => [host, `${host}:${service.spec.port}`]);
}
