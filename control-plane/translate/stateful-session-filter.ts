import type { MeshService } from '../../src/model/mesh-service.js';
import type { KeySourceSpec } from '../../src/model/schema.js';
import { packAny } from '../../src/xds/descriptors.js';
import { toDuration } from '../../src/xds/fields.js';
import { FILTER_CONFIG_TYPE } from '../../src/xds/policy.js';
import {
  COOKIE_STATE_TYPE,
  STATEFUL_SESSION_FILTER,
  STATEFUL_SESSION_PER_ROUTE_TYPE,
  STATEFUL_SESSION_TYPE,
} from '../../src/xds/stateful-session-config.js';

/**
 * Envoy's stateful session, the nearest thing it has to `endpoint: persistent`: a second cookie, with the address of
 * the endpoint. It fits where the session travels in a cookie anyway. The address can be read by every holder of the
 * cookie, so Envoys do it only if their operator puts the filter into their chain of filters.
 */

/** The filter without a session state, which does nothing until a route says so. */
export const STATEFUL_SESSION_OFF = {
  name: STATEFUL_SESSION_FILTER,
  typedConfig: packAny(STATEFUL_SESSION_TYPE, {}),
  isOptional: true,
};

/** The cookie that carries the session of a service whose sessions keep their endpoints. */
function findStatefulCookie({ spec }: MeshService): KeySourceSpec['cookie'] {
  if (spec.affinity?.endpoint !== 'persistent') return undefined;
  return spec.affinity.key.find(({ cookie }) => cookie?.mint)?.cookie;
}

/** `typed_per_filter_config` of a service's virtual host; empty where it does not fit. */
export function translateStatefulSession(service: MeshService): object {
  const cookie = findStatefulCookie(service);
  if (cookie === undefined) return {};
  const { name, path, ttl } = cookie;
  const sessionState = {
    name: 'envoy.http.stateful_session.cookie',
    typedConfig: packAny(COOKIE_STATE_TYPE, {
      cookie: { name: `${name}-endpoint`, path, ttl: toDuration(ttl ?? 0) },
    }),
  };
  const config = packAny(STATEFUL_SESSION_PER_ROUTE_TYPE, { statefulSession: { sessionState } });
  return { [STATEFUL_SESSION_FILTER]: packAny(FILTER_CONFIG_TYPE, { isOptional: true, config }) };
}
