import { isIPv6 } from 'node:net';
import { canonicalIp } from '../net/ip-address.js';

/**
 * Whom a request is for: `host`, `host:port` or `[v6]:port`, from `Host`, a target in absolute form, CONNECT, a flag.
 * Many spellings name one authority. Tables are keyed by one of them, and this is the only place that makes it.
 */
export interface Authority {
  /**
   * The one spelling: lower case, without the dot that ends a name of DNS, without an empty port or zeros before a
   * port; IPv6 as RFC 5952 has it, an IPv4-mapped address as IPv4. Empty: the client named no host (RFC 9112 section 3.2).
   */
  readonly text: string;
  /** For a resolver: an address without brackets, or the name with its final dot, which keeps search domains out. */
  readonly host: string;
  /** Undefined: the scheme's default. */
  readonly port: number | undefined;
}

/** What nearly every request has, in the one spelling already. */
const PLAIN = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?::(?:[1-9]\d{0,3}|[1-5]\d{4}))?$/;
/** Without percent-encoding, which one reader decodes and another does not. */
const SPELT = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9\-._~!$&'()*+,;=]+))(?::(\d{0,5}))?$/;
const MAX_PORT = 65_535;

/**
 * The one spelling of an authority.
 *
 * @returns undefined where the text is none, or could be read in two ways: a user, percent-encoding, a zone, an empty
 *   label, a port of 0 or beyond 65535
 */
export function normalAuthority(text: string): string | undefined {
  return PLAIN.test(text) ? text : parseAuthority(text)?.text;
}

/** @returns as {@link normalAuthority} */
export function parseAuthority(text: string): Authority | undefined {
  if (text === '') return { text: '', host: '', port: undefined };
  const found = SPELT.exec(text);
  if (found === null) return undefined;
  const [, literal, name = '', digits = ''] = found;
  const port = digits === '' ? undefined : Number(digits);
  if (port === 0 || (port ?? 0) > MAX_PORT) return undefined;
  const host = literal === undefined ? name : isIPv6(literal) ? canonicalIp(literal) : undefined;
  const normal = literal === undefined ? normalName(name) : host && bracketed(host);
  if (host === undefined || normal === undefined) return undefined;
  return { text: port === undefined ? normal : `${normal}:${port}`, host, port };
}

/** @returns undefined where a label is empty, but for that of the root */
function normalName(name: string): string | undefined {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  return bare.split('.').includes('') ? undefined : bare.toLowerCase();
}

/** An address as it stands in an authority. */
function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** RFC 9110 section 4.2.1. */
export const DEFAULT_PORT = 80;
export const DEFAULT_PORT_SUFFIX = `:${DEFAULT_PORT}`;

/**
 * An authority that is the same by RFC 9110 section 4.2.3: of a normal one that names the default port, the one that
 * leaves it out, and the other way round; undefined where it names another port.
 */
export function sameByDefaultPort(normal: string): string | undefined {
  if (normal.endsWith(DEFAULT_PORT_SUFFIX)) return normal.slice(0, -DEFAULT_PORT_SUFFIX.length);
  const hasPort = /:\d+$/.test(normal) && !normal.endsWith(']');
  return hasPort || normal === '' ? undefined : normal + DEFAULT_PORT_SUFFIX;
}
