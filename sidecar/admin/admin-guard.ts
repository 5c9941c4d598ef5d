import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { parseAuthority } from '../../src/http/authority.js';
import { splitHostPort } from '../../src/model/formats.js';
import { isFromThisMachine, isLoopback } from '../../src/net/ip-address.js';

/**
 * Who may use the admin port. A process on the machine may; a web page in a browser there may not, nor may
 * another machine change anything, whatever address the port is bound to.
 */

/** What the guard reads of a request. */
export type GuardedRequest = Pick<IncomingMessage, 'method' | 'headers'> & {
  readonly socket: Pick<IncomingMessage['socket'], 'remoteAddress' | 'localAddress'>;
};

/** Methods that change nothing (RFC 9110 section 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * @param ownName the host that `--admin` names: reached by that name, too
 * @returns why the request is refused, for the person who reads it; undefined: it is served
 */
export function adminRefusal(request: GuardedRequest, ownName: string): string | undefined {
  const { host = '' } = request.headers;
  if (!isTrustedHost(host, ownName))
    return `Host ${JSON.stringify(host)} is not served: call the admin port by an IP address or as localhost`;
  if (comesFromWebPage(request, host)) return 'web pages may not use the admin port';
  if (!SAFE.has(request.method ?? '') && !isFromThisMachine(request.socket))
    return `${request.method} is for callers on the sidecar's own machine: send it to a loopback address`;
  return undefined;
}

/** @param address where the admin port listens. @returns what the operator has to know of it; undefined: all is well */
export function adminWarning(address: string): string | undefined {
  return isLoopback(splitHostPort(address)?.host ?? '')
    ? undefined
    : 'other machines can read the configuration and the requests of this sidecar; put --admin on loopback, and use --metrics for scrapers and probes';
}

/**
 * DNS rebinding needs a name that the attacker controls: a browser sends the name as `Host` even after it resolves to
 * this machine. Addresses are no names, and `localhost` with all below it is loopback everywhere (RFC 6761 section 6.3).
 */
function isTrustedHost(host: string, ownName: string): boolean {
  const authority = parseAuthority(host);
  if (authority === undefined) return false;
  const name = authority.host.toLowerCase().replace(/\.$/, '');
  return (
    name === '' ||
    isIP(name) !== 0 ||
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === ownName.toLowerCase()
  );
}

/** As Go's `http.CrossOriginProtection` tells: by `Sec-Fetch-Site`, else by an `Origin` other than the host. */
function comesFromWebPage({ method, headers }: GuardedRequest, host: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  if (origin !== undefined && !isOriginOf(origin, host)) return true;
  return site !== undefined && site !== 'same-origin' && site !== 'none' && !SAFE.has(method ?? '');
}

function isOriginOf(origin: string, host: string): boolean {
  return origin.toLowerCase() === `http://${host.toLowerCase()}`;
}
