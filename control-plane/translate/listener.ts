import { packAny } from '../../src/xds/descriptors.js';
import { FAULT_FILTER, FAULT_TYPE } from '../../src/xds/fault.js';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../src/xds/listener.js';
import { STATEFUL_SESSION_OFF } from './stateful-session.js';

/**
 * An API listener: the form that gRPC clients resolve by name, and all that a sidecar needs, which decides for
 * itself where to listen.
 */
export function translateListener(name: string, routeConfigName: string): object {
  return {
    name,
    apiListener: {
      apiListener: packAny(HTTP_CONNECTION_MANAGER_TYPE, {
        statPrefix: name,
        rds: { routeConfigName, configSource: { ads: {}, resourceApiVersion: 'V3' } },
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
