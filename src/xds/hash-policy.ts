import { isCookieDomain, isCookiePath, isToken } from '../http/field-line.js';
import { parameterName } from '../http/query.js';
import type { Message } from './descriptors.js';
import { message, messages, type Problems, readAge, text } from './fields.js';
import { type RegexRewrite, readRegexRewrite } from './regex-rewrite.js';

/** Where a session key may come from. */
export type KeySourceConfig =
  | {
      readonly kind: 'header';
      readonly name: string;
      /** Turns each value into the key; undefined: the value is the key. */
      readonly rewrite?: RegexRewrite | undefined;
    }
  | { readonly kind: 'cookie'; readonly cookie: CookieConfig }
  | { readonly kind: 'query'; readonly name: string }
  | { readonly kind: 'baggage'; readonly name: string }
  | { readonly kind: 'source-ip' }
  | { readonly kind: 'source-identity' };

/** A cookie that carries a session. */
export interface CookieConfig {
  readonly name: string;
  readonly path: string;
  /** Empty: none. */
  readonly domain: string;
  /** Max-Age; 0: a browser session. */
  readonly ttlMs: number;
  readonly sameSite: 'Lax' | 'Strict' | 'None' | '';
  readonly secure: 'auto' | 'always' | 'never';
  readonly httpOnly: boolean;
  /** Made for a request that has none. */
  readonly mint: boolean;
  /** Any value is a key as it stands; otherwise only the values that Roost and Envoy make are. */
  readonly opaque: boolean;
}

/** One of Envoy's hash policies: a source, and whether it ends the list once there is a hash. */
export interface HashPolicyConfig {
  readonly source: KeySourceConfig;
  readonly terminal: boolean;
}

/** Reads `RouteAction.hash_policy[i]`. */
export function readHashPolicy(raw: Message, path: string, problems: Problems): HashPolicyConfig | undefined {
  const source = readSource(raw, path, problems);
  return source && { source, terminal: raw.terminal === true };
}

function readSource(raw: Message, path: string, problems: Problems): KeySourceConfig | undefined {
  const header = message(raw.header);
  if (header) {
    const rewrite = readRegexRewrite(header.regexRewrite, `${path}.header.regex_rewrite`, problems);
    return { kind: 'header', name: text(header.headerName).toLowerCase(), rewrite };
  }
  const cookie = message(raw.cookie);
  if (cookie) return { kind: 'cookie', cookie: readCookie(cookie, `${path}.cookie`, problems) };
  const query = message(raw.queryParameter);
  if (query) return { kind: 'query', name: parameterName(text(query.name)) };
  if (message(raw.connectionProperties)?.sourceIp === true) return { kind: 'source-ip' };
  // gRPC's channel id and other filter state have no counterpart here: such a policy yields no value.
  if (message(raw.filterState) || message(raw.connectionProperties)) return undefined;
  problems.add(path, 'needs one of header, cookie, connection_properties, query_parameter and filter_state');
  return undefined;
}

/** Envoy makes a cookie only where the policy has a `ttl`, 0 meaning a browser session. It always adds HttpOnly. */
function readCookie(raw: Message, at: string, problems: Problems): CookieConfig {
  const ttlMs = readAge(raw.ttl, `${at}.ttl`, problems);
  const attributes = new Map(
    messages(raw.attributes).map(({ name, value }) => [text(name).toLowerCase(), value]),
  );
  const sameSite = SAME_SITE.find(
    (each) => each.toLowerCase() === text(attributes.get('samesite')).toLowerCase(),
  );
  const written = { name: text(raw.name), path: text(raw.path), domain: text(attributes.get('domain')) };
  checkCookie(written, at, problems);
  return {
    ...written,
    ttlMs: ttlMs ?? 0,
    sameSite: sameSite ?? '',
    secure: attributes.has('secure') ? 'always' : 'never',
    httpOnly: true,
    mint: ttlMs !== undefined,
    opaque: true,
  };
}

/** What of a cookie is written into a response as it is; path and domain may be empty. */
export function checkCookie(
  { name, path, domain }: Pick<CookieConfig, 'name' | 'path' | 'domain'>,
  at: string,
  problems: Problems,
): void {
  if (!isToken(name)) problems.add(`${at}.name`, 'is not a cookie name');
  if (path !== '' && !isCookiePath(path)) problems.add(`${at}.path`, 'is not a path of a cookie');
  if (domain !== '' && !isCookieDomain(domain)) problems.add(`${at}.domain`, 'is not a host name');
}

const SAME_SITE = ['Lax', 'Strict', 'None'] as const;
