import { isIP } from 'node:net';
import { z } from 'zod';
import { parseAuthority } from '../http/authority.js';
import { isHostname, LABEL, parseDuration, splitHostPort } from './formats.js';

/** Scalar formats of the resource. Each says in its error what would be right. */

export const duration = z.string().transform((text, ctx) => {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  ctx.addIssue({
    code: 'custom',
    message: 'is no duration; write a number with a unit, such as 500ms, 2s, 5m or 1h',
  });
  return z.NEVER;
});

export const dnsLabel = z.string().regex(LABEL, {
  error:
    'is no valid name; use at most 63 lower-case letters, digits and "-", starting and ending with a letter or digit',
});

/** A release name: what a Kubernetes label value may hold, so that an image tag or a template hash fits. */
export const releaseName = z.string().regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, {
  error: 'is no valid release name; use at most 63 letters, digits, "-", "_" and ".", such as v2 or 1.4.2',
});

export const hostname = z
  .string()
  .max(253)
  .superRefine((text, ctx) => {
    if (!isHostname(text)) ctx.addIssue({ code: 'custom', message: hostnameProblem(text) });
  });

/** Of what is a host in another spelling, says which one is meant. */
function hostnameProblem(text: string): string {
  const meant = parseAuthority(text);
  const normal = meant && (meant.port === undefined ? meant.text : meant.text.replace(/:\d+$/, ''));
  return normal !== undefined && isHostname(normal)
    ? `is no host name in its plain spelling; write ${normal}`
    : 'is no host name; write one in lower case and without a port, such as checkout.internal';
}

/** RFC 9110 token: header and cookie names, methods. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export const headerName = z
  .string()
  .regex(TOKEN, { error: 'is no header name (RFC 9110 token); use letters, digits and "-"' })
  .transform((name) => name.toLowerCase());

export const cookieName = z
  .string()
  .regex(TOKEN, { error: 'is no cookie name (RFC 6265 token); use letters, digits, "-" and "_"' });

export const httpMethod = z.string().regex(TOKEN, { error: 'is no HTTP method; write one such as GET' });

export const port = z
  .number({ error: 'must be a port number, 1 to 65535' })
  .int({ error: 'must be a port number, 1 to 65535' })
  .min(1, { error: 'must be a port number, 1 to 65535' })
  .max(65_535, { error: 'must be a port number, 1 to 65535' });

export const percent = z.number().min(0).max(100, { error: 'must be a percentage, 0 to 100' });

/** `10.0.1.11:8080` or `[fd00::1]:8080`. */
export const ipPort = z.string().refine(
  (text) => {
    const address = splitHostPort(text);
    return address !== undefined && isIP(address.host) !== 0;
  },
  {
    error:
      'is no IP:PORT address, such as 10.0.1.11:8080 or [fd00::1]:8080; for a DNS name use the version\'s "dns"',
  },
);

/** `checkout-v2:8080`. */
export const hostPort = z.string().refine((text) => splitHostPort(text) !== undefined, {
  error: 'is no HOST:PORT, such as checkout-v2:8080',
});
