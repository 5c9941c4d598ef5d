import { z } from 'zod';
import { isGuardedHeader, isHeaderValue, isTargetPath } from '../http/guarded-headers.js';
import { headerName, hostname, percent, port, positiveDuration } from './scalars.js';
import { atLeastOne, atMostOne, strict } from './strict-object.js';

/** What a route does to requests and responses on their way: see docs/routes.md. */

export const changeableHeader = headerName.refine((name) => !isGuardedHeader(name), {
  error: (issue) =>
    issue.input === 'host'
      ? 'is not changed as a header; use "rewrite.host" of a route, "host" of a health check'
      : 'frames a message or belongs to one hop; it cannot be changed',
});

/** As much as Envoy takes: of a value, and of headers in one list. */
const MAX_HEADER_VALUE = 16_384;
const MAX_HEADERS = 1000;

export const headerValue = z
  .string()
  .max(MAX_HEADER_VALUE, { error: `is longer than ${MAX_HEADER_VALUE} characters` })
  .refine(isHeaderValue, {
    error: 'has a character that no header value may have; write visible ASCII, without spaces at the ends',
  });

const headerChanges = strict({
  set: z.record(changeableHeader, headerValue).optional(),
  add: z.record(changeableHeader, headerValue).optional(),
  remove: z.array(changeableHeader).optional(),
})
  .refine(...atLeastOne('set', 'add', 'remove'))
  .refine(
    ({ set = {}, add = {}, remove = [] }) => {
      const added = Object.keys(set).length + Object.keys(add).length;
      return Math.max(added, remove.length) <= MAX_HEADERS;
    },
    { error: `changes more than ${MAX_HEADERS} headers` },
  );

export const headers = strict({
  request: headerChanges.optional(),
  response: headerChanges.optional(),
}).refine(...atLeastOne('request', 'response'));

const newPath = z.string().refine(isTargetPath, {
  error:
    'must be a path that starts with "/": visible ASCII, without "?" and "#"; a query goes on as it came',
});

export const rewrite = strict({
  path: newPath.optional(),
  prefix: newPath.optional(),
  host: hostname.optional(),
})
  .refine(...atLeastOne('path', 'prefix', 'host'))
  .refine(...atMostOne('path', 'prefix'));

export const redirect = strict({
  scheme: z.enum(['http', 'https']).optional(),
  host: hostname.optional(),
  port: port.optional(),
  path: newPath.optional(),
  prefix: newPath.optional(),
  status: z.literal([301, 302, 303, 307, 308], { error: 'must be 301, 302, 303, 307 or 308' }).default(302),
})
  .refine(...atLeastOne('scheme', 'host', 'port', 'path', 'prefix'))
  .refine(...atMostOne('path', 'prefix'));

export const mirror = strict({ version: z.string(), percent: percent.default(100) });

const STATUS = 'must be a status, 200 to 599';

export const fault = strict({
  delay: strict({ duration: positiveDuration, percent: percent.default(100) }).optional(),
  abort: strict({
    status: z
      .number({ error: STATUS })
      .int({ error: STATUS })
      .min(200, { error: STATUS })
      .max(599, { error: STATUS }),
    percent: percent.default(100),
  }).optional(),
}).refine(...atLeastOne('delay', 'abort'));
