import { crossCheck } from './cross-checks.js';
import { InvalidResourceError, toProblems } from './problems.js';
import {
  type MeshServiceInput,
  meshServiceSchema,
  type ParsedMeshService,
  type RouteSpec,
} from './schema.js';
import { findUnsupported } from './unsupported.js';

type ParsedSpec = ParsedMeshService['spec'];

/** A service with every default applied. Immutable. */
export interface MeshService {
  readonly name: string;
  readonly namespace: string;
  readonly spec: Omit<ParsedSpec, 'stable'> & { readonly stable: string };
}

/** `shop/checkout`: how stores, xDS resources and errors name a service. */
export type ServiceKey = `${string}/${string}`;

export function serviceKey(service: { readonly namespace: string; readonly name: string }): ServiceKey {
  return `${service.namespace}/${service.name}`;
}

/** `shop/checkout` → `shop` */
export function namespaceOfKey(key: ServiceKey): string {
  return key.slice(0, key.indexOf('/'));
}

/** `shop/checkout` as commands take it and people read it: `checkout.shop`. */
export function commandName(key: ServiceKey): string {
  const namespace = namespaceOfKey(key);
  return `${key.slice(namespace.length + 1)}.${namespace}`;
}

/** `checkout.shop`, `shop/checkout` or `checkout` (in `default`) → key; the spellings that the CLI takes. */
export function parseServiceName(text: string, defaultNamespace = 'default'): ServiceKey {
  const slash = text.indexOf('/');
  if (slash >= 0) return `${text.slice(0, slash)}/${text.slice(slash + 1)}`;
  const dot = text.indexOf('.');
  return dot < 0 ? `${defaultNamespace}/${text}` : `${text.slice(dot + 1)}/${text.slice(0, dot)}`;
}

/** Name of the route that a service without `routes` has, and that `roost split` changes by default. */
export const DEFAULT_ROUTE = 'default';

/**
 * Parses an untrusted document into a service.
 *
 * @throws InvalidResourceError with every problem found.
 */
export function parseMeshService(input: unknown): MeshService {
  const parsed = meshServiceSchema.safeParse(input);
  const problems = [
    ...(parsed.success ? [] : toProblems(parsed.error.issues, input)),
    ...crossCheck(input),
    ...findUnsupported(input),
  ];
  if (!parsed.success || problems.length > 0) throw new InvalidResourceError(problems);
  return withDefaults(parsed.data);
}

function withDefaults(parsed: ParsedMeshService): MeshService {
  const { spec } = parsed;
  const stable = spec.stable ?? (spec.versions[0] as ParsedSpec['versions'][number]).name;
  const routes = spec.routes.length > 0 ? spec.routes : [defaultRoute(stable)];
  const { name, namespace } = parsed.metadata;
  return { name, namespace, spec: { ...spec, stable, routes } };
}

function defaultRoute(stable: string): RouteSpec {
  return { name: DEFAULT_ROUTE, split: [{ version: stable, weight: 1 }], pin: true };
}

/** A document that {@link parseMeshService} accepted. */
export type { MeshServiceInput };
