import { checkConfigSource } from './config-source.js';
import { decodeResource } from './decode-resource.js';
import { anyTypeName, type Message, unpackAny } from './descriptors.js';
import { FAULT_TYPE, type FaultConfig, readFault } from './fault.js';
import { message, messages, type Problems, readDuration, text } from './fields.js';
import { type RouteConfigurationResource, readRouteConfiguration } from './route.js';
import {
  readStatefulSession,
  STATEFUL_SESSION_TYPE,
  type StatefulSessionConfig,
} from './stateful-session-config.js';
import { refuseUnsupported } from './unsupported.js';
import { readUpgrades } from './upgrades.js';

export const HTTP_CONNECTION_MANAGER_TYPE =
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
export const ROUTER_TYPE = 'envoy.extensions.filters.http.router.v3.Router';

const LISTENER_TYPE = 'envoy.config.listener.v3.Listener';
const MANAGER_PACKAGE = 'envoy.extensions.filters.network.http_connection_manager.v3';

/** What a listener says for the routes that say nothing else. */
export interface ListenerDefaults {
  readonly statefulSession: StatefulSessionConfig | undefined;
  readonly fault: FaultConfig | undefined;
  /** Undefined: not said; 0: as long as it likes. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamMs: number | undefined;
}

/** What the sidecar takes from a listener: where its routes come from. Where it binds is the sidecar's own choice. */
export interface ListenerResource {
  readonly name: string;
  /** Route configurations to fetch. */
  readonly routeConfigNames: readonly string[];
  /** Route configurations that came inside the listener. */
  readonly inlineRoutes: readonly RouteConfigurationResource[];
  readonly defaults: ListenerDefaults;
}

/**
 * Decodes an API listener (gRPC's form, and the one that our control plane sends) or an ordinary one, whose
 * HTTP connection managers all count.
 *
 * @throws InvalidXdsError
 */
export function decodeListener(bytes: Uint8Array): ListenerResource {
  return decodeResource('listener', bytes, readListener);
}

function readListener(raw: Message, problems: Problems): ListenerResource {
  refuseUnsupported(LISTENER_TYPE, raw, '', problems);
  const name = text(raw.name);
  if (name === '') problems.add('name', 'is empty');
  if (raw.trafficDirection === 'INBOUND')
    problems.add('traffic_direction', 'INBOUND is not supported: what comes in goes to the one app');
  const routeConfigNames: string[] = [];
  const inlineRoutes: RouteConfigurationResource[] = [];
  let defaults = NO_DEFAULTS;
  for (const [manager, path] of httpConnectionManagers(raw, problems)) {
    refuseUnsupported(HTTP_CONNECTION_MANAGER_TYPE, manager, path, problems);
    readUpgrades(manager.upgradeConfigs, `${HTTP_CONNECTION_MANAGER_TYPE}.UpgradeConfig`, path, problems);
    const own = readDefaults(manager, path, problems);
    if (defaults === NO_DEFAULTS) defaults = own;
    const inline = message(manager.routeConfig);
    if (inline) inlineRoutes.push(readRouteConfiguration(inline, `${path}.route_config`, problems));
    else routeConfigNames.push(readRdsName(manager, path, problems));
  }
  return { name, routeConfigNames, inlineRoutes, defaults };
}

function readRdsName(manager: Message, path: string, problems: Problems): string {
  const rds = message(manager.rds);
  if (rds === undefined) {
    problems.add(path, 'needs rds or route_config');
    return '';
  }
  refuseUnsupported(`${MANAGER_PACKAGE}.Rds`, rds, `${path}.rds`, problems);
  checkConfigSource(rds.configSource, `${path}.rds.config_source`, problems);
  const name = text(rds.routeConfigName);
  if (name === '') problems.add(`${path}.rds.route_config_name`, 'is empty');
  return name;
}

type Found = readonly [manager: Message, path: string];

function httpConnectionManagers(raw: Message, problems: Problems): Found[] {
  const api = message(message(raw.apiListener)?.apiListener);
  if (api) {
    const manager = unpackAny(api, HTTP_CONNECTION_MANAGER_TYPE);
    if (manager === undefined)
      problems.add('api_listener', `must hold an HttpConnectionManager; it holds ${anyTypeName(api)}`);
    return manager ? [[manager, 'api_listener']] : [];
  }
  const last = message(raw.defaultFilterChain);
  const chains = messages(raw.filterChains);
  return [
    ...chains.flatMap((chain, i) => managersOf(chain, `filter_chains[${i}]`, problems)),
    ...(last ? managersOf(last, 'default_filter_chain', problems) : []),
  ];
}

function managersOf(chain: Message, path: string, problems: Problems): Found[] {
  refuseUnsupported('envoy.config.listener.v3.FilterChain', chain, path, problems);
  // Bytes: what a chain is for is not looked at, only whether it says so.
  if (chain.filterChainMatch instanceof Uint8Array && chain.filterChainMatch.length > 0)
    problems.add(`${path}.filter_chain_match`, 'is not supported: every chain counts');
  return messages(chain.filters).flatMap((filter, i): Found[] => {
    const at = `${path}.filters[${i}]`;
    refuseUnsupported('envoy.config.listener.v3.Filter', filter, at, problems);
    const manager = unpackAny(filter.typedConfig ?? {}, HTTP_CONNECTION_MANAGER_TYPE);
    if (manager) return [[manager, at]];
    problems.add(at, `${text(filter.name) || anyTypeName(filter.typedConfig)} is not supported`);
    return [];
  });
}

const NO_DEFAULTS: ListenerDefaults = {
  statefulSession: undefined,
  fault: undefined,
  idleTimeoutMs: undefined,
  maxStreamMs: undefined,
};

function readDefaults(manager: Message, path: string, problems: Problems): ListenerDefaults {
  const common = message(manager.commonHttpProtocolOptions) ?? {};
  const at = `${path}.common_http_protocol_options`;
  refuseUnsupported('envoy.config.core.v3.HttpProtocolOptions', common, at, problems);
  return {
    ...readFilters(manager, path, problems),
    idleTimeoutMs: readDuration(manager.streamIdleTimeout, `${path}.stream_idle_timeout`, problems),
    maxStreamMs: readDuration(common.maxStreamDuration, `${at}.max_stream_duration`, problems),
  };
}

/** A filter that changes requests and that we do not have must not be skipped, unless it says that it may be. */
function readFilters(
  manager: Message,
  path: string,
  problems: Problems,
): Pick<ListenerDefaults, 'statefulSession' | 'fault'> {
  let statefulSession: StatefulSessionConfig | undefined;
  let fault: FaultConfig | undefined;
  const filters = messages(manager.httpFilters);
  filters.forEach((filter, i) => {
    const at = `${path}.http_filters[${i}]`;
    refuseUnsupported(`${MANAGER_PACKAGE}.HttpFilter`, filter, at, problems);
    if (filter.disabled === true) return;
    const config = (typeName: string) => unpackAny(filter.typedConfig ?? {}, typeName);
    const typeName = anyTypeName(filter.typedConfig);
    if (typeName === ROUTER_TYPE) refuseUnsupported(ROUTER_TYPE, config(ROUTER_TYPE) ?? {}, at, problems);
    else if (typeName === FAULT_TYPE) fault ??= readFault(config(FAULT_TYPE) ?? {}, at, problems);
    else if (typeName === STATEFUL_SESSION_TYPE)
      statefulSession ??= readStatefulSession(config(STATEFUL_SESSION_TYPE) ?? {}, at, problems);
    else if (filter.isOptional !== true)
      problems.add(at, `${text(filter.name) || typeName} is not supported`);
  });
  if (anyTypeName(filters.at(-1)?.typedConfig) !== ROUTER_TYPE)
    problems.add(`${path}.http_filters`, 'must end with the router');
  return { statefulSession, fault };
}
