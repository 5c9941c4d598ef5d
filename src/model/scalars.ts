import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { normalAuthority, parseAuthority } from '../http/authority.js';
import { isToken } from '../http/field-line.js';
import { canonicalIp } from '../net/ip-address.js';
import {
  durationProblem,
  isHostname,
  LABEL,
  LONGEST_TIMER,
  parseDuration,
  splitHostPort,
} from './formats.js';

/** Scalar formats of the resource. Each says in its error what would be right. */

/** Between two durations, both included, in whole milliseconds. */
function durationBetween(least: string, most: string) {
  return z.string().transform((text, ctx) => {
    const message = durationProblem(text, least, most);
    if (message === undefined) return parseDuration(text) as number;
    ctx.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** A time that something waits for, where none at all means something, such as "no limit". */
export const duration = durationBetween('0s', LONGEST_TIMER);

/** A time that something waits for, and that cannot be none. */
export const positiveDuration = durationBetween('1ms', LONGEST_TIMER);

/** The longest that clients may be told to keep a cookie: 50 years, in seconds fewer than 31 bits hold. */
export const OLDEST_COOKIE = '438000h';

/** How long clients keep a cookie; none at all: as long as their browser session lasts. */
export const cookieAge = durationBetween('0s', OLDEST_COOKIE);

/** How long sidecars remember a session; they count in seconds. */
export const memoryAge = durationBetween('1s', OLDEST_COOKIE);

/** More than any process can have of anything, and far from where 32 bits of xDS end. */
const MAX_COUNT = 1_000_000_000;

/** A number of things. */
export function count(least: 0 | 1) {
  const error = `must be a whole number from ${least} to ${MAX_COUNT}`;
  return z.number({ error }).int({ error }).min(least, { error }).max(MAX_COUNT, { error });
}

export const dnsLabel = z.string().regex(LABEL, {
  error:
    'is not a valid name; use at most 63 lower-case letters, digits and "-", starting and ending with a letter or digit',
});

/** A release name: what a Kubernetes label value may hold, so that an image tag or a template hash fits. */
export const releaseName = z.string().regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, {
  error: 'is not a valid release name; use at most 63 letters, digits, "-", "_" and ".", such as v2 or 1.4.2',
});

export const hostname = z
  .string()
  .max(253)
  .superRefine((text, ctx) => {
    if (!isHostname(text)) ctx.addIssue({ code: 'custom', message: hostnameProblem(text) });
  });

/** A host name, or an address: the service's own, which callers' connections go to (docs/interception.md). */
export const serviceHost = z
  .string()
  .max(253)
  .superRefine((text, ctx) => {
    const address = canonicalIp(text.replace(/^\[(.*)\]$/, '$1'));
    const normal = address?.includes(':') ? `[${address}]` : address;
    if (normal === text || (address === undefined && isHostname(text))) return;
    const message =
      normal === undefined ? hostnameProblem(text) : `is an address in another spelling; write "${normal}"`;
    ctx.addIssue({ code: 'custom', message });
  });

/** Of what is a host in another spelling, says which one is meant. */
function hostnameProblem(text: string): string {
  // Of a name beyond ASCII, clients send the ASCII form (RFC 5891).
  const meant = parseAuthority(domainToASCII(text) || text);
  const normal = meant && (meant.port === undefined ? meant.text : meant.text.replace(/:\d+$/, ''));
  return normal !== undefined && isHostname(normal)
    ? `is not a host name in its plain spelling; write ${normal}`
    : 'is not a host name; write one in lower case and without a port, such as checkout.internal';
}

/** What `Host` may say: `checkout.internal` or `checkout.internal:8080`. */
export const authority = z.string().refine((text) => text !== '' && normalAuthority(text) === text, {
  error: 'is not a host; write one in lower case, with or without a port, such as checkout.internal:8080',
});

export const headerName = z
  .string()
  .refine(isToken, { error: 'is not a header name (RFC 9110 token); use letters, digits and "-"' })
  .transform((name) => name.toLowerCase());

export const cookieName = z
  .string()
  .refine(isToken, { error: 'is not a cookie name (RFC 6265 token); use letters, digits, "-" and "_"' });

/** As much as Envoy takes. */
const MAX_PARAMETER_NAME = 1024;

export const parameterName = z
  .string()
  .min(1, { error: 'is empty; it must name a query parameter' })
  .refine((name) => Buffer.byteLength(name) <= MAX_PARAMETER_NAME, {
    error: `is longer than ${MAX_PARAMETER_NAME} bytes`,
  });

export const httpMethod = z
  .string()
  .refine(isToken, { error: 'is not an HTTP method; write one such as GET' });

export const port = z
  .number({ error: 'must be a port number, 1 to 65535' })
  .int({ error: 'must be a port number, 1 to 65535' })
  .min(1, { error: 'must be a port number, 1 to 65535' })
  .max(65_535, { error: 'must be a port number, 1 to 65535' });

/** Shares are sent in millionths; a smaller one would become none. */
const LEAST_PERCENT = 0.0001;
const PERCENT_ERROR = `must be a percentage, 0 to 100; the least above 0 is ${LEAST_PERCENT}`;

export const percent = z
  .number({ error: PERCENT_ERROR })
  .min(0, { error: PERCENT_ERROR })
  .max(100, { error: PERCENT_ERROR })
  .refine((share) => share === 0 || share >= LEAST_PERCENT, { error: PERCENT_ERROR });

/** `10.0.1.11:8080` or `[fd00::1]:8080`. */
export const ipPort = z.string().refine(
  (text) => {
    const address = splitHostPort(text);
    return address !== undefined && isIP(address.host) !== 0;
  },
  {
    error:
      'is not an IP:PORT address, such as 10.0.1.11:8080 or [fd00::1]:8080; for a DNS name use the version\'s "dns"',
  },
);

/** `checkout-v2:8080`. */
export const hostPort = z.string().refine((text) => splitHostPort(text) !== undefined, {
  error: 'is not a HOST:PORT, such as checkout-v2:8080',
});
