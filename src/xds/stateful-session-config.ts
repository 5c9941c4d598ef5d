import { isCookiePath, isToken } from '../http/field-line.js';
import { type Message, unpackAny } from './descriptors.js';
import { message, type Problems, readAge, text } from './fields.js';

/**
 * Envoy's stateful sessions: the client carries the address of its endpoint, in a cookie or a header. Our control
 * plane writes them for the clients that know nothing of our payload; our sidecar honours other control planes'.
 */
export const STATEFUL_SESSION_FILTER = 'envoy.filters.http.stateful_session';
export const STATEFUL_SESSION_TYPE = 'envoy.extensions.filters.http.stateful_session.v3.StatefulSession';
export const STATEFUL_SESSION_PER_ROUTE_TYPE =
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute';
export const COOKIE_STATE_TYPE = 'envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState';
export const HEADER_STATE_TYPE = 'envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState';
const FILTER_CONFIG_TYPE = 'envoy.config.route.v3.FilterConfig';

/** What carries the address. */
export type SessionCarrier =
  | {
      readonly kind: 'cookie';
      readonly name: string;
      /** Empty: every path, and no Path attribute. */
      readonly path: string;
      /** Max-Age; 0: a browser session. */
      readonly ttlMs: number;
    }
  | { readonly kind: 'header'; readonly name: string };

export interface StatefulSessionConfig {
  readonly carrier: SessionCarrier;
  /** Without the endpoint that it names a request fails, rather than go to another. */
  readonly strict: boolean;
}

/** The filter's own configuration. @returns undefined where it names no session state, which turns it off */
export function readStatefulSession(
  raw: Message,
  path: string,
  problems: Problems,
): StatefulSessionConfig | undefined {
  const state = message(raw.sessionState);
  if (state === undefined) return undefined;
  const carrier = readCarrier(state.typedConfig ?? {}, `${path}.session_state`, problems);
  if (carrier === undefined || carrier.name === '') {
    problems.add(`${path}.session_state`, 'needs a cookie or a header with a name');
    return undefined;
  }
  return { carrier, strict: raw.strict === true };
}

function readCarrier(any: unknown, at: string, problems: Problems): SessionCarrier | undefined {
  const header = unpackAny(any, HEADER_STATE_TYPE);
  if (header) {
    const name = text(header.name);
    if (name !== '' && !isToken(name)) problems.add(`${at}.name`, 'is not a header name');
    return { kind: 'header', name: name.toLowerCase() };
  }
  const cookie = message(unpackAny(any, COOKIE_STATE_TYPE)?.cookie);
  if (cookie === undefined) return undefined;
  const [name, path] = [text(cookie.name), text(cookie.path)];
  if (name !== '' && !isToken(name)) problems.add(`${at}.cookie.name`, 'is not a cookie name');
  if (path !== '' && !isCookiePath(path)) problems.add(`${at}.cookie.path`, 'is not a path of a cookie');
  return { kind: 'cookie', name, path, ttlMs: readAge(cookie.ttl, `${at}.cookie.ttl`, problems) ?? 0 };
}

/**
 * The override in `typed_per_filter_config` of a virtual host or a route.
 *
 * @returns undefined where there is none; `disabled` where it turns the filter off
 */
export function readStatefulSessionOverride(
  perFilterConfig: unknown,
  path: string,
  problems: Problems,
): StatefulSessionConfig | 'disabled' | undefined {
  const any = message(perFilterConfig)?.[STATEFUL_SESSION_FILTER];
  if (any === undefined) return undefined;
  const wrapper = unpackAny(any, FILTER_CONFIG_TYPE);
  if (wrapper?.disabled === true) return 'disabled';
  const override = unpackAny(wrapper ? (wrapper.config ?? {}) : any, STATEFUL_SESSION_PER_ROUTE_TYPE);
  if (override?.disabled === true) return 'disabled';
  const session = message(override?.statefulSession);
  return session && readStatefulSession(session, `${path}.typed_per_filter_config`, problems);
}
