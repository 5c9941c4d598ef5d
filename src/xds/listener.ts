import { anyTypeName, decodeMessage, type Message, unpackAny } from './descriptors.js';
import { message, messages, Problems, text } from './fields.js';
import { messageNameOf } from './resource-types.js';
import { type RouteConfigurationResource, readRouteConfiguration } from './route.js';
import { FAULT_TYPE } from './route-changes.js';
import {
  readStatefulSession,
  STATEFUL_SESSION_TYPE,
  type StatefulSessionConfig,
} from './stateful-session.js';

export const HTTP_CONNECTION_MANAGER_TYPE =
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
export const ROUTER_TYPE = 'envoy.extensions.filters.http.router.v3.Router';

/** What the sidecar takes from a listener: where its routes come from. Where it binds is the sidecar's own choice. */
export interface ListenerResource {
  readonly name: string;
  /** Route configurations to fetch. */
  readonly routeConfigNames: readonly string[];
  /** Route configurations that came inside the listener. */
  readonly inlineRoutes: readonly RouteConfigurationResource[];
  /** Where its routes say nothing else. */
  readonly statefulSession: StatefulSessionConfig | undefined;
}

/**
 * Decodes an API listener (gRPC's form, and the one that our control plane sends) or an ordinary one, whose
 * HTTP connection managers all count.
 *
 * @throws InvalidXdsError
 */
export function decodeListener(bytes: Uint8Array): ListenerResource {
  const raw = decodeMessage(messageNameOf('listener'), bytes);
  const name = text(raw.name);
  const problems = new Problems();
  if (name === '') problems.add('name', 'is empty');
  const managers = httpConnectionManagers(raw, problems);
  const routeConfigNames: string[] = [];
  const inlineRoutes: RouteConfigurationResource[] = [];
  let statefulSession: StatefulSessionConfig | undefined;
  for (const manager of managers) {
    checkHttpFilters(manager, problems);
    statefulSession ??= findStatefulSession(manager, problems);
    const inline = message(manager.routeConfig);
    const rdsName = text(message(manager.rds)?.routeConfigName);
    if (inline) inlineRoutes.push(readRouteConfiguration(inline));
    else if (rdsName !== '') routeConfigNames.push(rdsName);
    else problems.add('http_connection_manager', 'needs rds or route_config; scoped_routes is not supported');
  }
  problems.throwIfAny(name);
  return Object.freeze({ name, routeConfigNames, inlineRoutes, statefulSession });
}

function httpConnectionManagers(raw: Message, problems: Problems): Message[] {
  const api = message(message(raw.apiListener)?.apiListener);
  if (api) {
    const manager = unpackAny(api, HTTP_CONNECTION_MANAGER_TYPE);
    if (manager === undefined)
      problems.add('api_listener', `must hold an HttpConnectionManager; it holds ${anyTypeName(api)}`);
    return manager ? [manager] : [];
  }
  const last = message(raw.defaultFilterChain);
  const chains = last ? [...messages(raw.filterChains), last] : messages(raw.filterChains);
  const filters = chains.flatMap((chain) => messages(chain.filters));
  return filters
    .map((filter) => unpackAny(filter.typedConfig ?? {}, HTTP_CONNECTION_MANAGER_TYPE))
    .filter((manager) => manager !== undefined);
}

const KNOWN_FILTERS: ReadonlySet<string> = new Set([ROUTER_TYPE, FAULT_TYPE, STATEFUL_SESSION_TYPE]);

/** A filter that changes requests and that we do not have must not be skipped, unless it says it may be. */
function checkHttpFilters(manager: Message, problems: Problems): void {
  messages(manager.httpFilters).forEach((filter, i) => {
    const typeName = anyTypeName(filter.typedConfig);
    if (!KNOWN_FILTERS.has(typeName) && filter.isOptional !== true && filter.disabled !== true) {
      problems.add(`http_filters[${i}]`, `${text(filter.name) || typeName} is not supported`);
    }
  });
}

function findStatefulSession(manager: Message, problems: Problems): StatefulSessionConfig | undefined {
  const filters = messages(manager.httpFilters).filter(({ disabled }) => disabled !== true);
  const found = filters
    .map(({ typedConfig }) => unpackAny(typedConfig ?? {}, STATEFUL_SESSION_TYPE))
    .find(Boolean);
  return found && readStatefulSession(found, 'http_filters.stateful_session', problems);
}
