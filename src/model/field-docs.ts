/** What a field means, for editors and for docs/reference/mesh-service.md. */
export interface FieldDoc {
  readonly help: string;
  /** As YAML, on one line. */
  readonly example?: string;
}

const doc = (help: string, example?: string): FieldDoc =>
  example === undefined ? { help } : { help, example };

const condition = (what: string) => ({
  name: doc(`name of the ${what}`),
  exact: doc('the whole value'),
  prefix: doc('how the value begins'),
  suffix: doc('how the value ends'),
  regex: doc('RE2 expression for the whole value', "'eu-.*'"),
  present: doc(`true: the ${what} is there, whatever its value`),
  not: doc('true: the condition holds if the rest of it does not'),
});

const changes = (message: string) => ({
  '': doc(`what changes in the headers of the ${message}`),
  set: doc('headers by name, in the place of those that are there', '{ x-team: shop }'),
  add: doc('headers by name, besides those that are there', '{ x-seen-by: roost }'),
  remove: doc('names of headers to take away', '[x-internal]'),
});

/** Documentation of every field of a MeshService, by path; `[]` stands for the entries of a list. A test keeps it complete. */
export const FIELD_DOCS: Readonly<Record<string, FieldDoc>> = flat({
  apiVersion: doc('version of the format'),
  kind: doc('kind of the document'),
  metadata: doc('name and place of the service'),
  'metadata.name': doc('name of the service; callers dial it', 'checkout'),
  'metadata.namespace': doc('namespace of the service', 'shop'),
  'metadata.labels': doc('labels, as in Kubernetes; Roost keeps them and reads none', '{ team: payments }'),
  'metadata.annotations': doc('annotations, as in Kubernetes; Roost keeps them and reads none'),
  spec: doc('what the service is and how its calls are routed'),
  'spec.hosts': doc(
    'more host names that lead to the service, and addresses for redirected connections (IPv6 in brackets)',
    '[checkout.internal, 10.96.0.10]',
  ),
  'spec.port': doc('port that callers dial', '8080'),
  'spec.protocol': doc('protocol of the requests; tcp: connections are carried as they are'),
  'spec.stable': doc('release that failover and abort go back to; default: the first version', 'v1'),
  'spec.versions': doc('the releases of the service, 1 at least'),
  'spec.versions[].name': doc('name of the release', 'v2'),
  'spec.versions[].lane': doc(
    'label that a request keeps for its whole call tree ([lanes](../semantics.md))',
    'canary',
  ),
  'spec.versions[].endpoints': doc('addresses of the pods of the release'),
  'spec.versions[].endpoints[].address': doc('IP address and port of a pod', '"10.0.1.11:8080"'),
  'spec.versions[].endpoints[].weight': doc(
    'share of the requests among the endpoints of the release, 1 to 1000',
  ),
  'spec.versions[].endpoints[].zone': doc('zone of the pod', 'eu-1a'),
  'spec.versions[].dns': doc('every address behind this name, with a port; refreshed', 'checkout-v2:8080'),
  'spec.versions[].selector': doc(
    'on Kubernetes: the pods of the Service of this name with these labels',
    '{ version: v3 }',
  ),
  'spec.versions[].service': doc('on Kubernetes: the endpoints of another Service', 'checkout-v4'),
  'spec.routes': doc(
    'rules for requests; the first that matches decides. Default: all requests go to `stable`',
  ),
  'spec.routes[].name': doc('name of the route', 'default'),
  'spec.routes[].match': doc('alternatives, one of which has to hold; absent: every request'),
  'spec.routes[].match[].path': doc('condition on the path, without the query'),
  'spec.routes[].match[].path.exact': doc('the whole path', '/cart'),
  'spec.routes[].match[].path.prefix': doc('whole segments at the beginning of the path', '/cart'),
  'spec.routes[].match[].path.regex': doc('RE2 expression for the whole path', "'/v[0-9]+/.*'"),
  'spec.routes[].match[].method': doc('HTTP method', 'GET'),
  'spec.routes[].match[].headers': doc('conditions on headers', '[{ name: x-region, exact: us-east }]'),
  'spec.routes[].match[].headers[]': condition('header'),
  'spec.routes[].match[].query': doc(
    'conditions on parameters of the query',
    '[{ name: beta, present: true }]',
  ),
  'spec.routes[].match[].query[]': condition('parameter'),
  'spec.routes[].match[].cookies': doc('conditions on cookies', '[{ name: group, exact: b }]'),
  'spec.routes[].match[].cookies[]': condition('cookie'),
  'spec.routes[].split': doc(
    'releases and their weights; a release with weight 0 drains, one that is not listed is left at once',
    '[{ version: v1, weight: 90 }, { version: v2, weight: 10 }]',
  ),
  'spec.routes[].split[].version': doc('name of a version'),
  'spec.routes[].split[].weight': doc('share of the sessions, 0 to 1000000'),
  'spec.routes[].pin': doc('whether a route that names one release re-pins the session there'),
  'spec.routes[].timeout': doc('limit for the whole request, retries included; 0s: none', '2s'),
  'spec.routes[].idleTimeout': doc('limit for a time without a byte', '5m'),
  'spec.routes[].retries': doc('when a failed attempt is made again'),
  'spec.routes[].retries.attempts': doc('retries at most, 0 to 10', '2'),
  'spec.routes[].retries.on': doc(
    'failures to retry: `connect-failure`, `reset`, `gateway-error`, `5xx`, or a status in quotes',
    '[connect-failure, "503"]',
  ),
  'spec.routes[].retries.perTryTimeout': doc('limit for one attempt', '500ms'),
  'spec.routes[].retries.methods': doc(
    'methods whose requests may reach an endpoint twice; default: the idempotent ones',
    '[GET, POST]',
  ),
  'spec.routes[].headers': doc('what changes in headers'),
  'spec.routes[].headers.request': changes('request'),
  'spec.routes[].headers.response': changes('response'),
  'spec.routes[].rewrite': doc('what changes in the request line'),
  'spec.routes[].rewrite.path': doc('new path', '/v2/cart'),
  'spec.routes[].rewrite.prefix': doc(
    'new beginning, in the place of what `path.prefix` or `path.exact` matched',
    '/v2',
  ),
  'spec.routes[].rewrite.host': doc('new `Host`', 'checkout.internal'),
  'spec.routes[].redirect': doc('answer that sends the caller elsewhere, in the place of a split'),
  'spec.routes[].redirect.scheme': doc('scheme of the new address'),
  'spec.routes[].redirect.host': doc('host of the new address', 'shop.example'),
  'spec.routes[].redirect.port': doc('port of the new address', '8443'),
  'spec.routes[].redirect.path': doc('path of the new address', '/moved'),
  'spec.routes[].redirect.prefix': doc('beginning of the new path', '/new'),
  'spec.routes[].redirect.status': doc('status of the answer'),
  'spec.routes[].mirror': doc('release that gets copies of the requests, whose answers are thrown away'),
  'spec.routes[].mirror.version': doc('name of a version', 'v2'),
  'spec.routes[].mirror.percent': doc('share of the requests to copy'),
  'spec.routes[].fault': doc('failures to cause, for tests'),
  'spec.routes[].fault.delay': doc('requests to hold back'),
  'spec.routes[].fault.delay.duration': doc('for how long', '200ms'),
  'spec.routes[].fault.delay.percent': doc('share of the requests'),
  'spec.routes[].fault.abort': doc('requests to answer with an error'),
  'spec.routes[].fault.abort.status': doc('status of the answer', '503'),
  'spec.routes[].fault.abort.percent': doc('share of the requests'),
  'spec.affinity': doc('what a session is, and what stays where it is ([semantics](../semantics.md))'),
  'spec.affinity.key': doc(
    'where the key of a session comes from; the first source that the request has counts',
  ),
  'spec.affinity.key[].header': doc('name of a header', 'x-user-id'),
  'spec.affinity.key[].cookie': doc(
    'a cookie: its name, or a name with attributes',
    '{ name: roost-checkout, ttl: 1h }',
  ),
  'spec.affinity.key[].cookie.name': doc('name of the cookie', 'roost-checkout'),
  'spec.affinity.key[].cookie.path': doc('`Path` of the cookie'),
  'spec.affinity.key[].cookie.domain': doc('`Domain` of the cookie', 'shop.example'),
  'spec.affinity.key[].cookie.ttl': doc(
    '`Max-Age` of the cookie; absent: as long as the browser session',
    '1h',
  ),
  'spec.affinity.key[].cookie.sameSite': doc('`SameSite` of the cookie'),
  'spec.affinity.key[].cookie.secure': doc('`Secure` of the cookie; `auto`: if the request came over HTTPS'),
  'spec.affinity.key[].cookie.httpOnly': doc('`HttpOnly` of the cookie'),
  'spec.affinity.key[].cookie.mint': doc("false: the cookie is the app's own, and Roost never sets it"),
  'spec.affinity.key[].query': doc('name of a parameter of the query', 'user'),
  'spec.affinity.key[].baggage': doc('member of the W3C `baggage` header', 'user-id'),
  'spec.affinity.key[].source': doc("`ip`: the caller's address; `identity`: the calling workload"),
  'spec.affinity.version': doc('what keeps a session on its release'),
  'spec.affinity.endpoint': doc('what keeps a session on its pod'),
  'spec.affinity.precedence': doc('`session`: a pin counts before a route that names a release'),
  'spec.affinity.scope': doc('whether pins are shared by the routes of the service'),
  'spec.affinity.salt': doc(
    'text that draws another sample of sessions; `auto`: a new one for each rollout',
    'auto',
  ),
  'spec.affinity.ttl': doc('how long a session without a request is remembered', '1h'),
  'spec.affinity.failover': doc('`any`: if `stable` has no usable endpoint either, any release answers'),
  'spec.affinity.failoverRepin': doc(
    'how long a release is without usable endpoints before its sessions are re-pinned',
    '10s',
  ),
  'spec.affinity.lanes': doc('`ignore`: the lane of a request does not pick a release'),
  'spec.health': doc('active health checks ([health and limits](../health-and-limits.md))'),
  'spec.health.path': doc(
    'path of a GET that has to answer 200 to 299; absent: a check only connects',
    '/healthz',
  ),
  'spec.health.host': doc('`Host` of the check; default: the name of the service', 'checkout'),
  'spec.health.headers': doc('headers of the check', '{ x-check: roost }'),
  'spec.health.grpc': doc(
    'ask the app by grpc.health.v1, in the place of a path; needs protocol grpc or http2',
  ),
  'spec.health.grpc.service': doc('service to ask for; empty: the server as a whole', 'shop.Cart'),
  'spec.health.interval': doc('time between two checks', '5s'),
  'spec.health.timeout': doc('limit for a check', '1s'),
  'spec.health.healthyThreshold': doc('successful checks in a row that make an endpoint healthy'),
  'spec.health.unhealthyThreshold': doc('failed checks in a row that make an endpoint unhealthy'),
  'spec.health.panicThreshold': doc(
    'below this percentage of healthy endpoints, checks and ejections are ignored; 0: never',
  ),
  'spec.outlier': doc('ejection of endpoints that answer with errors'),
  'spec.outlier.consecutiveErrors': doc('errors in a row that eject an endpoint'),
  'spec.outlier.interval': doc('time between two looks at the endpoints', '10s'),
  'spec.outlier.baseEjectionTime': doc('length of the first ejection', '30s'),
  'spec.outlier.maxEjectionTime': doc('length of an ejection at most', '5m'),
  'spec.outlier.maxEjectionPercent': doc('share of the endpoints that may be ejected at a time'),
  'spec.outlier.panicThreshold': doc('as in `health`; the higher one counts'),
  'spec.outlier.successRate': doc('ejection of endpoints whose success rate is far below that of the others'),
  'spec.outlier.successRate.minimumHosts': doc('endpoints with enough requests that it takes'),
  'spec.outlier.successRate.requestVolume': doc('requests in an interval that are enough'),
  'spec.outlier.successRate.stdevFactor': doc('standard deviations below the mean'),
  'spec.limits': doc(
    'limits; a request beyond one is refused at once ([limits](../health-and-limits.md#limits))',
  ),
  'spec.limits.connections': doc('connections to all endpoints', '1000'),
  'spec.limits.pending': doc('requests that wait for a connection', '100'),
  'spec.limits.requests': doc('requests in flight', '1000'),
  'spec.limits.retries': doc('retries in flight', '10'),
  'spec.limits.retryBudget': doc('retries as a share of the requests in flight'),
  'spec.limits.retryBudget.percent': doc('the share'),
  'spec.limits.retryBudget.minimum': doc('retries that are always allowed'),
  'spec.limits.perEndpoint': doc('limits for each endpoint by itself'),
  'spec.limits.perEndpoint.connections': doc('connections to the endpoint', '100'),
  'spec.limits.perEndpoint.requests': doc('requests in flight at the endpoint', '50'),
  'spec.slowStart': doc("time over which a new endpoint's share grows to its weight", '30s'),
  'spec.timeouts': doc('limits for every route that has none of its own'),
  'spec.timeouts.connect': doc('for a connection to be made', '1s'),
  'spec.timeouts.request': doc('as `timeout` of a route', '15s'),
  'spec.timeouts.idle': doc('as `idleTimeout` of a route', '5m'),
  'spec.tls': doc('TLS to the endpoints ([TLS](../upstream-tls.md))'),
  'spec.tls.serverName': doc('name that the certificate has to have', 'checkout.internal'),
  'spec.tls.ca': doc('certificates to trust, as PEM text'),
  'spec.tls.caFile': doc('file with certificates to trust, beside the sidecar', '/etc/roost/ca.pem'),
  'spec.tls.certFile': doc('file with the client certificate', '/etc/roost/tls.crt'),
  'spec.tls.keyFile': doc('file with its private key', '/etc/roost/tls.key'),
  'spec.loadBalancer': doc(
    'how endpoints are picked without endpoint affinity; default `least-request`, `ring-hash` with it',
  ),
});

type Nested = Readonly<Record<string, FieldDoc | Readonly<Record<string, FieldDoc>>>>;

/** Groups that occur several times, spelt out. */
function flat(docs: Nested): Record<string, FieldDoc> {
  return Object.fromEntries(
    Object.entries(docs).flatMap(([path, entry]): [string, FieldDoc][] =>
      isDoc(entry)
        ? [[path, entry]]
        : Object.entries(entry).map(([name, inner]) => [name === '' ? path : `${path}.${name}`, inner]),
    ),
  );
}

function isDoc(entry: Nested[string]): entry is FieldDoc {
  return typeof entry.help === 'string';
}
