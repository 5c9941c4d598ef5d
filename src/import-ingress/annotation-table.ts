import { type AnnotationRow, none, row } from './annotation-row.js';
import { NO_COUNTERPART } from './no-counterpart.js';

/**
 * Every annotation of ingress-nginx that the import knows: what becomes of it, and the line that the report and
 * `docs/from-ingress-nginx.md` say about it. A test holds the document to this table.
 */

export const ANNOTATION_PREFIX = 'nginx.ingress.kubernetes.io/';

const CANARY: readonly AnnotationRow[] = [
  row(
    'canary',
    'exact',
    'versions[]',
    'its Service becomes a version of the service that has the same host, path and pathType',
  ),
  row(
    'canary-by-header',
    'exact',
    'routes header-always, header-never',
    'the values always and never name a release; any other value counts as absent',
  ),
  row(
    'canary-by-header-value',
    'exact',
    'route header-value',
    'this value selects the canary; every other value, always and never included, goes to the next rule',
  ),
  row(
    'canary-by-header-pattern',
    'changes',
    'route header-pattern',
    'RE2 instead of PCRE, found anywhere in the value as in ingress-nginx; the report names a pattern that RE2 refuses, and requests with the header then go to the primary, as ingress-nginx does on an error',
  ),
  row(
    'canary-by-cookie',
    'exact',
    'routes cookie-always, cookie-never',
    'the values always and never name a release; any other value counts as absent',
  ),
  row(
    'canary-weight',
    'exact',
    'routes[].split',
    "the canary's share of requests, or of new sessions with affinity; at 0 the canary stays in the split and keeps its sessions",
  ),
  row(
    'canary-weight-total',
    'exact',
    'routes[].split',
    'the sum of the split; values up to 100 mean 100, as in ingress-nginx',
  ),
];

const AFFINITY: readonly AnnotationRow[] = [
  row(
    'affinity',
    'changes',
    'affinity',
    'one session for the whole service, with precedence: session; the cookie has a different format, so every session is placed again once, when callers move',
  ),
  row(
    'affinity-mode',
    'exact',
    'affinity.endpoint',
    'balanced: by consistent hash, a new pod takes its share; persistent: sessions stay on their pod',
  ),
  row(
    'affinity-canary-behavior',
    'changes',
    'affinity.version',
    'sticky (default): persistent, as in ingress-nginx; legacy: none, the release is drawn for every request, for sessions on the primary too',
  ),
  row('session-cookie-name', 'exact', 'affinity.key[].cookie.name', 'INGRESSCOOKIE if it is not set'),
  row(
    'session-cookie-path',
    'changes',
    'affinity.key[].cookie.path',
    'if it is not set, the path that all rules of the service share, not one cookie for each path',
  ),
  row(
    'session-cookie-domain',
    'exact',
    'affinity.key[].cookie.domain',
    'a leading dot is dropped; RFC 6265 ignores it',
  ),
  row('session-cookie-max-age', 'exact', 'affinity.key[].cookie.ttl', 'seconds, sent as Max-Age'),
  row(
    'session-cookie-expires',
    'changes',
    'affinity.key[].cookie.ttl',
    'sent as Max-Age, which every client prefers to Expires; ignored if max-age is set',
  ),
  row(
    'session-cookie-samesite',
    'exact',
    'affinity.key[].cookie.sameSite',
    'if it is not set, Roost sends Lax, which browsers assume; None also sets secure: true, without which browsers drop the cookie',
  ),
  none(
    'session-cookie-conditional-samesite-none',
    'SameSite=None is sent to every client; ingress-nginx left it out for browsers of 2019 and before',
  ),
  row(
    'session-cookie-secure',
    'changes',
    'affinity.key[].cookie.secure',
    'true: always, as in ingress-nginx; false: auto, which in the mesh means no Secure, because apps call their sidecar without TLS',
  ),
  row(
    'session-cookie-change-on-failure',
    'changes',
    '',
    'not needed: another pod of the release answers a failed call, and the session stays on its pod until that is gone or unhealthy',
  ),
];

const BALANCING: readonly AnnotationRow[] = [
  row(
    'upstream-hash-by',
    'changes',
    'affinity.key, affinity.endpoint',
    "$http_NAME, $arg_NAME and $cookie_NAME (mint: false) become a key with endpoint: balanced; on Envoy's ring, so keys reach other pods than in ingress-nginx; requests without the key are spread, not all sent to one pod",
  ),
  none('upstream-hash-by-subset upstream-hash-by-subset-size', 'a key has one pod, not a subset'),
  row(
    'load-balance',
    'changes',
    'loadBalancer',
    'round_robin: the same; ewma: least-request, which counts requests in flight instead of measuring latency',
  ),
  row(
    'service-upstream',
    'exact',
    'versions[].dns',
    "true: the Service's own address, behind which kube-proxy picks the pod",
  ),
  row('backend-protocol', 'changes', 'protocol', 'HTTP: http; GRPC: grpc; others are refused'),
];

const REQUESTS: readonly AnnotationRow[] = [
  row(
    'proxy-connect-timeout',
    'changes',
    'timeouts.connect',
    'for the whole service, the longest if its Ingresses differ; after it, the request goes to another pod of the release',
  ),
  row(
    'proxy-read-timeout proxy-send-timeout',
    'changes',
    'routes[].idleTimeout',
    'the longer of the two: time without a byte in either direction',
  ),
  row(
    'proxy-next-upstream',
    'changes',
    'routes[].retries.on',
    'error: connect-failure and reset; http_NNN: that status; timeout, invalid_header and non_idempotent are left out; off: no retries, but a refused connection is still tried elsewhere',
  ),
  row(
    'proxy-next-upstream-tries',
    'changes',
    'routes[].retries.attempts',
    'one less, because the first try is not a retry; 0 (unlimited) becomes 10, the maximum',
  ),
  none('proxy-next-upstream-timeout', "the number of retries and the route's timeout limit retries"),
  row(
    'server-alias',
    'changes',
    'hosts',
    'as the hosts of rules; regular expressions and wildcards are left out',
  ),
  row(
    'use-regex',
    'changes',
    'routes[].match[].path.regex',
    'all paths of the host become case-insensitive regular expressions, as in ingress-nginx; RE2 instead of PCRE',
  ),
];

const ACTIONS: readonly AnnotationRow[] = [
  row(
    'rewrite-target',
    'changes',
    'routes[].rewrite',
    'a target without captures: rewrite.path; the rest of a prefix, as in /shop(/|$)(.*), after another one, as in /$2: rewrite.prefix, and the path becomes that prefix; other captures have no counterpart',
  ),
  row(
    'permanent-redirect temporal-redirect permanent-redirect-code temporal-redirect-code',
    'changes',
    'routes[].redirect',
    'the path and its status; a redirect with a query, a fragment or variables is refused',
  ),
  row('upstream-vhost', 'changes', 'routes[].rewrite.host', 'a host name; variables are refused'),
  row(
    'x-forwarded-prefix',
    'changes',
    'routes[].headers.request.set',
    'only together with rewrite-target; captures have no counterpart',
  ),
];

export const ANNOTATIONS: readonly AnnotationRow[] = [
  ...CANARY,
  ...AFFINITY,
  ...BALANCING,
  ...REQUESTS,
  ...ACTIONS,
  ...NO_COUNTERPART,
];

const BY_NAME = new Map(ANNOTATIONS.flatMap((entry) => entry.names.map((name) => [name, entry] as const)));

export function findAnnotation(name: string): AnnotationRow | undefined {
  return BY_NAME.get(name);
}

/** The annotations that ingress-nginx reads on a canary Ingress; it takes all others from the primary. */
export const READ_ON_CANARY: ReadonlySet<string> = new Set([
  ...CANARY.flatMap(({ names }) => names),
  'affinity-canary-behavior',
  'load-balance',
  'upstream-hash-by',
  'upstream-hash-by-subset',
  'upstream-hash-by-subset-size',
  'service-upstream',
]);

/** What an Ingress with affinity may say of its sessions. */
export const SESSION_DETAILS: readonly string[] = AFFINITY.flatMap(({ names }) => names).filter(
  (name) => name !== 'affinity' && name !== 'affinity-canary-behavior',
);
