import t from 'tap';
import { hostConflicts } from '../../../../src/model/mesh.js';
import {
  type MeshService,
  parseMeshService,
  parseServiceName,
  serviceKey,
} from '../../../../src/model/mesh-service.js';
import { formatPath, formatProblem, InvalidResourceError } from '../../../../src/model/problems.js';
import { serviceAuthorities } from '../../../../src/model/service-hosts.js';
import { formatLocated, parseYaml } from '../../../../src/model/yaml-source.js';

const minimal = (spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'roost.dev/v1alpha1',
  kind: 'MeshService',
  metadata: { name: 'checkout', namespace: 'shop', ...metadata },
  spec: { port: 8080, versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }], ...spec },
});

function problemsOf(input: unknown): string[] {
  try {
    parseMeshService(input);
  } catch (error) {
    if (error instanceof InvalidResourceError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

t.test('fills in the defaults: stable is the first version, and one route leads there', async (t) => {
  const service = parseMeshService(minimal());
  t.equal(service.spec.stable, 'v1');
  t.match(service.spec.routes, [{ name: 'default', split: [{ version: 'v1', weight: 1 }], pin: true }]);
  t.equal(service.spec.protocol, 'http');
  t.equal(parseMeshService({ ...minimal(), metadata: { name: 'a' } }).namespace, 'default');
});

t.test('reads durations with their unit and header names in any case', async (t) => {
  const service = parseMeshService(
    minimal({
      routes: [
        {
          name: 'r',
          match: [{ headers: [{ name: 'X-Region', exact: 'us' }] }],
          split: [{ version: 'v1', weight: 1 }],
          timeout: '1.5s',
        },
      ],
      affinity: { key: [{ cookie: 'sid' }, { cookie: { name: 'c', ttl: '2h' } }] },
    }),
  );
  t.equal(service.spec.routes[0]?.timeout, 1500);
  t.equal(service.spec.routes[0]?.match?.[0]?.headers[0]?.name, 'x-region');
  t.match(service.spec.affinity?.key, [
    { cookie: { name: 'sid', path: '/', sameSite: 'Lax', secure: 'auto', httpOnly: true } },
    { cookie: { name: 'c', ttl: 7_200_000 } },
  ]);
});

t.test("a cookie of the app's own has no attributes here", async (t) => {
  const withCookie = (cookie: object) => minimal({ affinity: { key: [{ header: 'a' }, { cookie }] } });
  t.same(problemsOf(withCookie({ name: 'JSESSIONID', mint: false })), []);
  t.same(problemsOf(withCookie({ name: 'sid', mint: true, ttl: '1h' })), []);
  const means = 'means nothing beside "mint: false": the app sets the cookie, and its attributes';
  t.same(problemsOf(withCookie({ name: 'JSESSIONID', mint: false, ttl: '1h', secure: false })), [
    `spec.affinity.key[1].cookie.ttl: ${means}`,
    `spec.affinity.key[1].cookie.secure: ${means}`,
  ]);
  t.same(problemsOf(withCookie({ name: 'a', mint: 'no' })), [
    'spec.affinity.key[1].cookie.mint: must be true or false; found "no"',
  ]);
});

t.test('a health check has a host and headers where it has a path', async (t) => {
  const health = (fields: object) => problemsOf(minimal({ health: fields }));
  for (const host of ['checkout.internal', 'checkout.internal:8080', '10.0.0.1', '[fd00::1]:80'])
    t.same(health({ path: '/up', host, headers: { 'x-probe': 'a' } }), [], host);
  for (const host of ['', 'Checkout', 'a/b', 'a b', 'x@y', 'a..b', 'a:0'])
    t.match(health({ path: '/up', host }), [/spec\.health\.host: .*is not a host/], host);
  for (const fields of [{ host: 'a' }, { headers: { 'x-probe': 'a' } }])
    t.match(health(fields), [/spec\.health: needs a path for host and headers/]);
  for (const name of ['Host', 'content-length', 'Connection', 'x-roost-via'])
    t.equal(health({ path: '/up', headers: { [name]: '1' } }).length, 1, name);
});

t.test('a check by gRPC needs HTTP/2, has no path, and asks for a service by its name', async (t) => {
  const problems = (health: object, protocol = 'grpc') =>
    problemsOf(minimal({ health, protocol })).filter((problem) => problem.startsWith('spec.health'));
  for (const grpc of [{}, { service: 'shop.Cart' }]) t.strictSame(problems({ grpc }), []);
  t.match(problems({ grpc: {} }, 'http'), [/spec\.health\.grpc: needs "protocol: grpc"/]);
  t.match(problems({ grpc: {}, path: '/up' }), [/spec\.health: has a path and grpc/]);
  t.match(problems({ grpc: { service: 'a b' } }), [/service: .*must be the name of a gRPC service/]);
  t.match(problems({ grpc: { service: 'x'.repeat(128) } }), [/service: .*must have at most 127 characters/]);
});

t.test('a host beyond ASCII is written as clients send it', async (t) => {
  t.match(problemsOf(minimal({ hosts: ['bücher.example'] })), [
    /^spec\.hosts\[0\]: "bücher\.example" is not a host name in its plain spelling; write xn--bcher-kva\.example$/,
  ]);
  t.same(problemsOf(minimal({ hosts: ['xn--bcher-kva.example'] })), []);
  t.match(problemsOf(minimal({ hosts: ['a b'] })), [/is not a host name; write one in lower case/]);
});

t.test('no text that ends up in a message may split it', async (t) => {
  const route = (fields: object) => ({
    routes: [{ name: 'r', split: [{ version: 'v1', weight: 1 }], ...fields }],
  });
  const cookie = (fields: object) => ({ affinity: { key: [{ cookie: { name: 'c', ...fields } }] } });
  const places: Readonly<Record<string, (text: string) => object>> = {
    'cookie name': (name) => cookie({ name }),
    'cookie path': (path) => cookie({ path: `/${path}` }),
    'cookie domain': (domain) => cookie({ domain }),
    'header key': (header) => ({ affinity: { key: [{ header }] } }),
    'health path': (path) => ({ health: { path: `/${path}` } }),
    'health host': (host) => ({ health: { path: '/', host } }),
    'health header': (name) => ({ health: { path: '/', headers: { [name]: 'v' } } }),
    'header name': (name) => route({ headers: { response: { set: { [name]: 'v' } } } }),
    'removed header': (name) => route({ headers: { request: { remove: [name] } } }),
    'rewritten host': (host) => route({ rewrite: { host } }),
    'rewritten path': (path) => route({ rewrite: { path: `/${path}` } }),
    'rewritten prefix': (prefix) => route({ rewrite: { prefix: `/${prefix}` } }),
    'redirect host': (host) => ({ routes: [{ name: 'r', redirect: { host } }] }),
    'redirect path': (path) => ({ routes: [{ name: 'r', redirect: { path: `/${path}` } }] }),
    'retried method': (method) => route({ retries: { attempts: 1, methods: [method] } }),
    'route name': (name) => ({ routes: [{ name, split: [{ version: 'v1', weight: 1 }] }] }),
    lane: (lane) => ({ versions: [{ name: 'v1', lane, endpoints: [{ address: '10.0.0.1:80' }] }] }),
    host: (host) => ({ hosts: [host] }),
  };
  for (const [place, spec] of Object.entries(places)) {
    t.same(problemsOf(minimal(spec('plain'))), [], place);
    for (const text of ['x\r\nX-Evil: 1', 'x\ny', 'x\0y', 'plain\n', 'x\x7fy'])
      t.equal(problemsOf(minimal(spec(text))).length, 1, `${place}: ${JSON.stringify(text)}`);
  }
  const values = [
    (text: string) => minimal(route({ headers: { request: { add: { 'x-a': text } } } })),
    (text: string) => minimal({ health: { path: '/', headers: { 'x-a': text } } }),
  ];
  for (const value of values) {
    t.same(problemsOf(value('a b; c')), []);
    for (const text of ['x\r\nX-Evil: 1', 'x\ny', 'x\0y']) t.equal(problemsOf(value(text)).length, 1);
  }
  t.match(problemsOf(minimal(cookie({ path: '/a;b' }))), [
    /cookie\.path: "\/a;b" must be a path that starts with "\/": visible ASCII, without ";"/,
  ]);
});

t.test('names every problem with its path and what would be right, all in one go', async (t) => {
  const problems = problemsOf({
    apiVersion: 'roost.dev/v1',
    kind: 'MeshService',
    metadata: { name: 'Checkout' },
    spec: {
      port: '8080',
      verions: [],
      versions: [
        { name: 'v1', endpoints: [{ address: 'checkout:80' }] },
        { name: 'v1', endpoints: [] },
        { name: 'v3', dns: 'v3:80', endpoints: [{ address: '10.0.0.9:80' }] },
        { name: 'v4' },
      ],
      stable: 'v0',
      routes: [
        {
          name: 'qa',
          split: [
            { version: 'v9', weight: 1 },
            { version: 'v1', weight: -1 },
          ],
        },
        { name: 'qa', split: [{ version: 'v1', weight: 0 }] },
        { name: 'none' },
      ],
      affinity: { key: [{ cookie: 'a b' }], version: 'sticky' },
    },
  });
  for (const expected of [
    'apiVersion: must be roost.dev/v1alpha1; found "roost.dev/v1"',
    'metadata.name: "Checkout" is not a valid name',
    'spec.port: must be a port number, 1 to 65535; found "8080"',
    'spec.verions: unknown field; did you mean "versions"?',
    'spec.versions[0].endpoints[0].address: "checkout:80" is not an IP:PORT address',
    'spec.versions[1].name: "v1" names a version already (versions[0])',
    'spec.versions[1].endpoints: must list at least one endpoint',
    'spec.versions[2]: needs exactly one of endpoints, dns, selector, service; it has endpoints and dns',
    'spec.versions[3]: needs exactly one of endpoints, dns, selector, service; it has none',
    'spec.stable: "v0" is not a version of this service; it has v1, v1, v3, v4',
    'spec.routes[0].split[0].version: "v9" is not a version of this service',
    'spec.routes[0].split[1].weight: -1 must be a whole number ≥ 0',
    'spec.routes[1].name: "qa" names a route already',
    'spec.routes[1].split: has only weights of 0',
    'spec.routes[1]: is never reached: routes[0] has no "match"',
    'spec.routes[2].split: is required',
    'spec.affinity.key[0].cookie: "a b" is not a cookie name',
    'spec.affinity.version: must be one of none, balanced, persistent; found "sticky"',
  ]) {
    t.ok(
      problems.some((p) => p.startsWith(expected)),
      `${expected}\n${problems.join('\n')}`,
    );
  }
});

t.test('refuses what is not a resource at all without a stack trace', async (t) => {
  for (const input of [null, 7, 'text', [], {}, { spec: 7 }, { spec: { versions: 'v1', routes: {} } }]) {
    t.ok(problemsOf(input).length > 0, JSON.stringify(input));
  }
});

t.test('refuses fields that nothing implements yet', async (t) => {
  t.match(problemsOf(minimal({ affinity: { key: [{ header: 'x' }, { source: 'identity' }] } })), [
    'spec.affinity.key[1].source: "identity" is not implemented yet: it takes mutual TLS between pods to tell callers apart; use ip, or a header that says who calls',
  ]);
});

t.test('a release may be pods of the Service by their labels, or another Service', async (t) => {
  t.same(
    problemsOf(minimal({ versions: [{ name: 'v1', selector: { 'app.kubernetes.io/version': '1.2' } }] })),
    [],
  );
  t.same(problemsOf(minimal({ versions: [{ name: 'v1', service: 'cart-v1' }] })), []);
  t.match(problemsOf(minimal({ versions: [{ name: 'v1', selector: {} }] })), [
    'spec.versions[0].selector: must list at least one label, such as version: v1',
  ]);
  t.match(problemsOf(minimal({ versions: [{ name: 'v1', service: 'cart.shop' }] })), [
    /versions\[0\]\.service: /,
  ]);
});

t.test('a service of plain TCP says nothing of requests', async (t) => {
  const split = [{ version: 'v1', weight: 1 }];
  const wrong = {
    protocol: 'tcp',
    routes: [
      { name: 'r', split, match: [{ path: { prefix: '/x' } }], retries: { attempts: 1, on: ['503'] } },
    ],
    affinity: { key: [{ source: 'ip' }, { header: 'x-user' }] },
    health: { path: '/healthz' },
  };
  t.same(problemsOf(minimal(wrong)), [
    'spec.routes[0].match: needs HTTP, and protocol is tcp; remove it, or change protocol',
    'spec.routes[0].retries: needs HTTP, and protocol is tcp; remove it, or change protocol',
    'spec.affinity.key[1]: needs HTTP, and protocol is tcp; use source: ip',
    'spec.health.path: needs HTTP, and protocol is tcp; remove it, or change protocol',
  ]);
  const right = {
    protocol: 'tcp',
    routes: [{ name: 'r', split }],
    affinity: { key: [{ source: 'ip' }] },
    health: {},
  };
  t.same(problemsOf(minimal(right)), []);
});

t.test('hosts may be addresses, each in its one spelling', async (t) => {
  t.same(problemsOf(minimal({ hosts: ['10.96.0.10', '[fd96::10]', 'checkout.internal'] })), []);
  t.same(problemsOf(minimal({ hosts: ['fd96::10', '[FD96:0::10]', '10.96.0.10:80'] })).slice(0, 2), [
    'spec.hosts[0]: "fd96::10" is an address in another spelling; write "[fd96::10]"',
    'spec.hosts[1]: "[FD96:0::10]" is an address in another spelling; write "[fd96::10]"',
  ]);
});

t.test('an expression that would swallow what stands around it is refused', async (t) => {
  const route = { name: 'r', split: [{ version: 'v1', weight: 1 }] };
  const withCookie = (regex: string) =>
    problemsOf(minimal({ routes: [{ ...route, match: [{ cookies: [{ name: 'c', regex }] }] }] }));
  t.match(withCookie('\\Qa.b'), [/cookies\[0\]\.regex: .*has a \\Q without an \\E/]);
  t.same(withCookie('\\Qa.b\\E'), []);
  t.same(withCookie('(?i)abc'), []);
});

t.test('one address in two spellings is one address', async (t) => {
  const endpoints = (...addresses: string[]) =>
    problemsOf(minimal({ versions: [{ name: 'v1', endpoints: addresses.map((address) => ({ address })) }] }));
  t.match(endpoints('[fd00::1]:80', '[fd00:0:0::1]:80'), [/endpoints\[1\]\.address: .* is listed already/]);
  t.match(endpoints('10.0.0.1:80', '10.0.0.1:080'), [/"10.0.0.1:080" is not an IP:PORT/]);
  t.same(endpoints('[fd00::1]:80', '[fd00::1]:81', '[fd00::2]:80'), []);
});

t.test('a bad regular expression is named, in RE2 terms', async (t) => {
  const match = [{ path: { regex: '/(a' } }];
  const [problem] = problemsOf(
    minimal({ routes: [{ name: 'r', match, split: [{ version: 'v1', weight: 1 }] }] }),
  );
  t.match(problem, /^spec\.routes\[0\]\.match\[0\]\.path\.regex: "\/\(a" is not an RE2 regular expression: /);
});

t.test('answers to its names, the bare one only within its namespace', async (t) => {
  const service = parseMeshService(minimal({ hosts: ['checkout.internal'] }));
  t.same(serviceAuthorities(service, 'shop').slice(0, 4), [
    'checkout',
    'checkout:8080',
    'checkout.shop',
    'checkout.shop:8080',
  ]);
  t.notOk(serviceAuthorities(service, 'other').includes('checkout'));
  t.ok(serviceAuthorities(service, 'other').includes('checkout.shop.svc.cluster.local:8080'));
  t.ok(serviceAuthorities(service, 'other').includes('checkout.internal'));
});

t.test('two services cannot claim one host', async (t) => {
  const mesh = (services: MeshService[]) => new Map(services.map((s) => [serviceKey(s), s]));
  const a = parseMeshService(minimal({ hosts: ['pay.internal'] }));
  const b = parseMeshService(minimal({ hosts: ['pay.internal', 'checkout.shop'] }, { name: 'pay' }));
  t.same(hostConflicts(mesh([a, b])), [
    { key: 'shop/pay', host: 'pay.internal', index: 0, owner: 'shop/checkout' },
    { key: 'shop/pay', host: 'checkout.shop', index: 1, owner: 'shop/checkout' },
  ]);
  const c = parseMeshService(minimal({ hosts: ['checkout'] }, { name: 'c', namespace: 'other' }));
  t.match(
    hostConflicts(mesh([a, c])),
    [{ key: 'other/c' }],
    'a bare name belongs to the service of that name',
  );
  t.same(hostConflicts(mesh([a])), []);
  const own = parseMeshService(minimal({ hosts: ['checkout', 'checkout.shop'] }));
  t.same(hostConflicts(mesh([own])), [], 'its own names are no conflict');
  const namesake = parseMeshService(minimal({}, { namespace: 'other' }));
  for (const services of [
    [own, namesake],
    [namesake, own],
  ]) {
    t.match(
      hostConflicts(mesh(services)),
      [{ key: 'shop/checkout', host: 'checkout', owner: 'other/checkout' }],
      'a bare name for everybody is in the way of every namesake, whichever came first',
    );
  }
});

t.test('the CLI spells a service in three ways', async (t) => {
  t.equal(parseServiceName('checkout'), 'default/checkout');
  t.equal(parseServiceName('checkout.shop'), 'shop/checkout');
  t.equal(parseServiceName('shop/checkout'), 'shop/checkout');
});

t.test('a path reads as a user would write it', async (t) => {
  t.equal(formatPath(['spec', 'routes', 1, 'split', 0, 'version']), 'spec.routes[1].split[0].version');
  t.equal(formatPath(['headers', 'a b']), 'headers["a b"]');
});

t.test('YAML problems are found at their line', async (t) => {
  const { documents, problems } = parseYaml('shop.yaml', 'a:\n  - b: 1\n    c: {d: 2}\n---\n---\ne: 3\n');
  t.same(problems, []);
  t.equal(documents.length, 2);
  t.same(documents[0]?.locate(['a', 0, 'c', 'd']), { line: 3, column: 9 });
  t.same(documents[0]?.locate(['a', 0, 'missing']), { line: 2, column: 5 }, 'a missing field is its parent');
  t.same(documents[1]?.locate(['e']), { line: 6, column: 1 });
  const broken = parseYaml('bad.yaml', 'a: [1\nb: 2\n');
  t.match(broken.problems.map(formatLocated), [/^bad\.yaml:2:\d+: is not valid YAML: /]);
});

t.test('a YAML bomb is refused', async (t) => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`,
  );
  const { problems } = parseYaml('bomb.yaml', ['l0: &l0 [x]', ...levels].join('\n'));
  t.match(problems[0]?.message, /is not valid YAML/);
});

t.test('TLS to the endpoints: says what is wrong with names, files and certificates', async (t) => {
  const of = (tls: object) => problemsOf(minimal({ tls }));
  t.strictSame(of({ serverName: 'checkout.internal' }), []);
  t.strictSame(of({ serverName: 'checkout.internal', certFile: '/c.pem', keyFile: '/k.pem' }), []);
  t.match(of({}), [/^spec\.tls\.serverName: /]);
  t.match(of({ serverName: 'Checkout:443' }), [/^spec\.tls\.serverName: "Checkout:443" is not a host name/]);
  t.match(of({ serverName: 'a', ca: '/etc/ca.pem' }), [
    /^spec\.tls\.ca: "\/etc\/ca\.pem" holds no PEM certificate; a file's path goes into "caFile"/,
  ]);
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  t.match(of({ serverName: 'a', ca: broken }), [/^spec\.tls\.ca: .*certificate 1 cannot be read/s]);
  t.match(of({ serverName: 'a', ca: '-----BEGIN EC PRIVATE KEY-----' }).at(-1), /holds a private key/);
  t.match(of({ serverName: 'a', caFile: 'ca.pem' }), [/^spec\.tls\.caFile: .*absolute path/]);
  t.match(of({ serverName: 'a', ca: broken, caFile: '/ca.pem' }).join('\n'), /has ca and caFile/);
  t.match(of({ serverName: 'a', keyFile: '/k.pem' }), [
    /^spec\.tls: needs both certFile and keyFile, or neither/,
  ]);
  t.match(of({ serverName: 'a', insecure: true }), [/^spec\.tls\.insecure: unknown field/]);
});
