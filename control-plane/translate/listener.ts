import { type MeshService, serviceKey } from '../../src/model/mesh-service.js';
import { packAny } from '../../src/xds/descriptors.js';
import { FAULT_FILTER, FAULT_TYPE } from '../../src/xds/fault.js';
import { toDuration } from '../../src/xds/fields.js';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../src/xds/listener.js';
import { routeConfigurationName } from '../../src/xds/resource-names.js';
import { markOf } from './mark.js';
import type { TranslateContext } from './policy.js';
import { requestTimeoutMs } from './route.js';
import { STATEFUL_SESSION_OFF } from './stateful-session-filter.js';

/** Of a service's listeners, whatever their name: the service is as old as the oldest of its releases. */
export function listenerMark(service: MeshService, context: TranslateContext): string {
  const births = service.spec.versions.map(({ name }) => Number(context.incarnation(service, name)));
  const mark = markOf(`listener ${serviceKey(service)}`, String(Math.min(...births)), context);
  return mark.toString('base64url').slice(0, MARK_LENGTH);
}

const MARK_LENGTH = 8;

/**
 * An API listener: the form that gRPC clients resolve by name, and all that a sidecar needs, which decides for
 * itself where to listen.
 *
 * @param mark of the service; said where statistics would be, of which there are none
 */
export function translateListener(name: string, service: MeshService, mark: string): object {
  const routeConfigName = routeConfigurationName(service);
  return {
    name,
    apiListener: {
      apiListener: packAny(HTTP_CONNECTION_MANAGER_TYPE, {
        statPrefix: `${name} ${mark}`,
        rds: { routeConfigName, configSource: { ads: {}, resourceApiVersion: 'V3' } },
        ...translateLongest(service),
        httpFilters: [
          // Routes that inject faults say so, as do services with stateful sessions; otherwise the filters do nothing.
          { name: FAULT_FILTER, typedConfig: packAny(FAULT_TYPE, {}), isOptional: true },
          STATEFUL_SESSION_OFF,
          { name: 'envoy.filters.http.router', typedConfig: packAny(ROUTER_TYPE, {}) },
        ],
      }),
    },
  };
}

/**
 * gRPC clients know nothing of routes' `timeout`, and what they know instead (`max_stream_duration`) turns it off in
 * Envoy. So they are told here, where Envoy does not look, the longest time that any of the routes gives a request.
 */
function translateLongest(service: MeshService): object {
  const timeouts = service.spec.routes
    .filter(({ redirect }) => redirect === undefined)
    .map((route) => requestTimeoutMs(route, service));
  const longest = Math.max(0, ...timeouts);
  if (longest === 0 || timeouts.includes(0)) return {};
  const duration = toDuration(longest);
  // grpc-js takes the one for the other.
  return { commonHttpProtocolOptions: { maxStreamDuration: duration, idleTimeout: duration } };
}
