import { RE2JS } from 're2js';
import { z } from 'zod';
import { isCookiePath } from '../http/field-line.js';
import { isTargetPath } from '../http/guarded-headers.js';
import {
  changeableHeader,
  fault,
  headers,
  headerValue,
  mirror,
  redirect,
  rewrite,
} from './actions-schema.js';
import { annotations, labels } from './metadata-schema.js';
import { regexProblem } from './regular-expression.js';
import {
  authority,
  cookieAge,
  cookieName,
  count,
  dnsLabel,
  duration,
  headerName,
  hostname,
  hostPort,
  httpMethod,
  ipPort,
  memoryAge,
  parameterName,
  percent,
  port,
  positiveDuration,
  releaseName,
  serviceHost,
} from './scalars.js';
import { exactlyOne, strict } from './strict-object.js';
import { tls } from './tls-schema.js';

/**
 * The MeshService resource, once: this schema gives the types, the defaults and the error messages. Parsing
 * turns durations into milliseconds and header names into lower case. Unknown fields are errors.
 */

/** Sidecars take longer ones: a condition on a cookie or a query parameter is one around the operator's. */
const MAX_WRITTEN_PATTERN = 4096;

/** A regular expression in RE2 syntax: linear time, whatever the operator writes and the client sends. */
const regex = z
  .string()
  .min(1, { error: 'is empty; leave the condition out to match everything' })
  .superRefine((pattern, ctx) => {
    const problem = regexProblem(pattern, MAX_WRITTEN_PATTERN);
    if (problem !== undefined) {
      ctx.addIssue({ code: 'custom', message: problem });
      return;
    }
    if (BEYOND_BYTES.test(pattern))
      ctx.addIssue({ code: 'custom', message: 'has an escape beyond \\x{ff}; write the character itself' });
    // Cookies and query parameters are matched by a larger expression that has this one in it.
    if (!canStandInside(pattern))
      ctx.addIssue({ code: 'custom', message: 'has a \\Q without an \\E; close what is quoted' });
  });

/** What is matched are bytes, of which no such escape is one; Envoy refuses it. */
const BEYOND_BYTES = /(?<!\\)(?:\\\\)*\\x\{0*[1-9a-f][\da-f]{2,}\}/i;

function canStandInside(pattern: string): boolean {
  try {
    RE2JS.compile(`(?:${pattern})`);
    return true;
  } catch {
    return false;
  }
}

const MATCH_KINDS = ['exact', 'prefix', 'suffix', 'regex', 'present'] as const;

const valueMatch = {
  exact: z.string().optional(),
  prefix: z.string().min(1).optional(),
  suffix: z.string().min(1).optional(),
  regex: regex.optional(),
  present: z.literal(true, { error: 'must be true; for "absent" add not: true' }).optional(),
  not: z.boolean().default(false),
};

const headerMatch = strict({ name: headerName, ...valueMatch }).refine(...exactlyOne(...MATCH_KINDS));
const queryMatch = strict({ name: parameterName, ...valueMatch }).refine(...exactlyOne(...MATCH_KINDS));
const cookieMatch = strict({ name: cookieName, ...valueMatch }).refine(...exactlyOne(...MATCH_KINDS));

const absolutePath = z.string().startsWith('/', { error: 'must start with "/"' });

const pathMatch = strict({
  exact: absolutePath.optional(),
  prefix: absolutePath.optional(),
  regex: regex.optional(),
}).refine(...exactlyOne('exact', 'prefix', 'regex'));

const match = strict({
  path: pathMatch.optional(),
  method: httpMethod.optional(),
  headers: z.array(headerMatch).default([]),
  query: z.array(queryMatch).default([]),
  cookies: z.array(cookieMatch).default([]),
}).refine((m) => m.path || m.method || m.headers.length || m.query.length || m.cookies.length, {
  error: 'has no condition; leave "match" out to match every request',
});

/** Envoy's bound on the sum of a split's weights is 2^32 − 1; this keeps any sum far below. */
const MAX_WEIGHT = 1_000_000;
const weight = z
  .number({ error: 'must be a whole number ≥ 0' })
  .int({ error: 'must be a whole number ≥ 0; to give a third, write 1, 1, 1' })
  .min(0, { error: 'must be a whole number ≥ 0' })
  .max(MAX_WEIGHT, { error: `must be at most ${MAX_WEIGHT}` });

const splitEntry = strict({ version: z.string(), weight });

/** Statuses of gRPC that a retry may answer, by Envoy's names. */
export const GRPC_RETRY_CONDITIONS = [
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;
/** Failures that a retry may answer, in DESIGN's words; a three-digit text is a response status. */
export const RETRY_CONDITIONS = [
  'connect-failure',
  'reset',
  'gateway-error',
  '5xx',
  ...GRPC_RETRY_CONDITIONS,
] as const;
const retryCondition = z
  .string()
  .refine((text) => (RETRY_CONDITIONS as readonly string[]).includes(text) || /^[45]\d\d$/.test(text), {
    error: `must be one of ${RETRY_CONDITIONS.join(', ')} or a status in quotes, such as "503"`,
  });

const ATTEMPTS = 'must be a whole number from 0 to 10';

const retries = strict({
  attempts: z
    .number({ error: ATTEMPTS })
    .int({ error: ATTEMPTS })
    .min(0, { error: ATTEMPTS })
    .max(10, { error: ATTEMPTS }),
  on: z.array(retryCondition).min(1).default(['connect-failure', 'reset', '503']),
  perTryTimeout: duration.optional(),
  /**
   * Besides a connection that was never made, which any request may try elsewhere; default: the idempotent ones, and
   * POST where `on` has a status of gRPC, whose calls are all POST.
   */
  methods: z.array(httpMethod).min(1, { error: 'must list at least one method' }).optional(),
});

const route = strict({
  name: dnsLabel,
  match: z
    .array(match)
    .min(1, { error: 'has no alternative; leave "match" out to match every request' })
    .optional(),
  split: z.array(splitEntry).min(1, { error: 'must list at least one version' }).optional(),
  pin: z.boolean().default(true),
  timeout: duration.optional(),
  idleTimeout: duration.optional(),
  retries: retries.optional(),
  headers: headers.optional(),
  rewrite: rewrite.optional(),
  redirect: redirect.optional(),
  mirror: mirror.optional(),
  fault: fault.optional(),
});

const cookiePath = z.string().refine(isCookiePath, {
  error: 'must be a path that starts with "/": visible ASCII, without ";"',
});

const cookieSource = strict({
  name: cookieName,
  path: cookiePath.default('/'),
  domain: hostname.optional(),
  ttl: cookieAge.optional(),
  sameSite: z.enum(['Lax', 'Strict', 'None']).default('Lax'),
  secure: z.union([z.literal('auto'), z.boolean()]).default('auto'),
  httpOnly: z.boolean().default(true),
  /** False: the app's own cookie, which is a key where it is there and is never set by a sidecar. */
  mint: z.boolean().default(true),
});

const keySource = strict({
  header: headerName.optional(),
  cookie: z.union([cookieName.transform((name) => cookieSource.parse({ name })), cookieSource]).optional(),
  query: parameterName.optional(),
  baggage: z.string().min(1).optional(),
  source: z.enum(['ip', 'identity']).optional(),
}).refine(...exactlyOne('header', 'cookie', 'query', 'baggage', 'source'));

const mode = z.enum(['none', 'balanced', 'persistent']);

const affinity = strict({
  key: z.array(keySource).min(1, { error: 'must list at least one source, such as - header: x-user-id' }),
  version: mode.default('none'),
  endpoint: mode.default('none'),
  precedence: z.enum(['split', 'session']).default('split'),
  scope: z.enum(['service', 'route']).default('service'),
  salt: z.string().min(1).max(256).optional(),
  ttl: memoryAge.default(3_600_000),
  failover: z.enum(['stable', 'any']).default('stable'),
  failoverRepin: duration.default(10_000),
  lanes: z.enum(['follow', 'ignore']).default('follow'),
});

const ENDPOINT_WEIGHT = 'must be a whole number from 1 to 1000';

const endpoint = strict({
  address: ipPort,
  weight: z
    .number({ error: ENDPOINT_WEIGHT })
    .int({ error: ENDPOINT_WEIGHT })
    .min(1, { error: ENDPOINT_WEIGHT })
    .max(1000, { error: ENDPOINT_WEIGHT })
    .default(1),
  zone: z.string().min(1).max(63).optional(),
});

const podSelector = labels.refine((all) => Object.keys(all).length > 0, {
  error: 'must list at least one label, such as version: v1',
});

const version = strict({
  name: releaseName,
  lane: dnsLabel.optional(),
  endpoints: z
    .array(endpoint)
    .min(1, { error: 'must list at least one endpoint, such as - address: 10.0.1.11:8080' })
    .optional(),
  dns: hostPort.optional(),
  /** On Kubernetes: the pods of the Service of this name that have all of these labels. */
  selector: podSelector.optional(),
  /** On Kubernetes: the endpoints of another Service of the namespace. */
  service: dnsLabel.optional(),
}).refine(...exactlyOne('endpoints', 'dns', 'selector', 'service'));

/** What a check asks for: a path, with a query or without one. */
const checkedPath = z.string().refine((path) => isTargetPath(path.replace('?', '')), {
  error: 'must be a path that starts with "/": visible ASCII, without "#"',
});

/** Of `grpc.health.v1`. One byte says its length. */
const grpcServiceName = z
  .string()
  .regex(/^[\w.\-/]*$/, {
    error: 'must be the name of a gRPC service, such as shop.Cart',
  })
  .max(127, { error: 'must have at most 127 characters' });

const health = strict({
  path: checkedPath.optional(),
  /** Asks the app by grpc.health.v1; the protocol has to be grpc or http2. An empty service is the server as a whole. */
  grpc: strict({ service: grpcServiceName.default('') }).optional(),
  /** What `Host` says; by default the service's own name. */
  host: authority.optional(),
  headers: z.record(changeableHeader, headerValue).optional(),
  interval: positiveDuration.default(5000),
  timeout: positiveDuration.default(1000),
  healthyThreshold: count(1).default(2),
  unhealthyThreshold: count(1).default(3),
  /** With fewer than this share of endpoints healthy, checks and ejections are ignored; 0: never. */
  panicThreshold: percent.default(0),
})
  .refine(({ path, host, headers }) => path !== undefined || (host ?? headers) === undefined, {
    error: 'needs a path for host and headers; without one, a check only connects',
  })
  .refine(({ path, grpc }) => path === undefined || grpc === undefined, {
    error: 'has a path and grpc; a check asks one of them',
  });

const STDEV_FACTOR = 'must be a number from 0 to 1000';

const outlier = strict({
  consecutiveErrors: count(1).default(5),
  interval: positiveDuration.default(10_000),
  baseEjectionTime: positiveDuration.default(30_000),
  maxEjectionTime: positiveDuration.default(300_000),
  maxEjectionPercent: percent.int({ error: 'must be a whole percentage' }).default(50),
  /** As in `health`; where both are given, the higher one counts. */
  panicThreshold: percent.default(0),
  successRate: strict({
    minimumHosts: count(1).default(5),
    requestVolume: count(1).default(100),
    stdevFactor: z
      .number({ error: STDEV_FACTOR })
      .min(0, { error: STDEV_FACTOR })
      .max(1000, { error: STDEV_FACTOR })
      .default(1.9),
  }).optional(),
});

const limits = strict({
  connections: count(1).optional(),
  pending: count(0).optional(),
  requests: count(1).optional(),
  retries: count(0).optional(),
  /** Retries may be this share of the requests in flight, and always this many at once. */
  retryBudget: strict({
    percent: percent.default(20),
    minimum: count(0).default(3),
  }).optional(),
  /** Bounds for each endpoint on its own. */
  perEndpoint: strict({
    connections: count(1).optional(),
    requests: count(1).optional(),
  }).optional(),
});

/** For every route that does not say otherwise. */
const timeouts = strict({
  connect: positiveDuration.optional(),
  request: duration.optional(),
  idle: duration.optional(),
});

const spec = strict({
  hosts: z.array(serviceHost).default([]),
  port,
  protocol: z.enum(['http', 'http2', 'grpc', 'tcp']).default('http'),
  stable: z.string().optional(),
  versions: z.array(version).min(1, { error: 'must list at least one version' }),
  routes: z.array(route).default([]),
  affinity: affinity.optional(),
  health: health.optional(),
  outlier: outlier.optional(),
  limits: limits.optional(),
  /** Time over which a new endpoint's share of requests grows to its weight; round-robin and least-request. */
  slowStart: duration.optional(),
  timeouts: timeouts.optional(),
  tls: tls.optional(),
  loadBalancer: z.enum(['round-robin', 'least-request', 'ring-hash', 'maglev']).optional(),
});

export const meshServiceSchema = strict({
  apiVersion: z.literal('roost.dev/v1alpha1', { error: 'must be roost.dev/v1alpha1' }),
  kind: z.literal('MeshService', { error: 'must be MeshService' }),
  metadata: strict({
    name: dnsLabel,
    namespace: dnsLabel.default('default'),
    labels: labels.optional(),
    annotations: annotations.optional(),
  }),
  spec,
});

/** A MeshService as the user writes it: durations as text, defaults left out. */
export type MeshServiceInput = z.input<typeof meshServiceSchema>;
/** A MeshService after parsing: every default filled in, durations in milliseconds. */
export type ParsedMeshService = z.output<typeof meshServiceSchema>;
export type VersionSpec = z.output<typeof version>;
export type RouteSpec = z.output<typeof route>;
export type MatchSpec = z.output<typeof match>;
export type ValueMatchSpec = z.output<typeof headerMatch>;
export type SplitEntry = z.output<typeof splitEntry>;
export type AffinitySpec = z.output<typeof affinity>;
export type KeySourceSpec = z.output<typeof keySource>;
export type RetrySpec = z.output<typeof retries>;
