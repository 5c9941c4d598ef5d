import fc from 'fast-check';
import { applyProblems } from '../../src/model/apply-rules.js';
import { type MeshService, parseMeshService } from '../../src/model/mesh-service.js';
import { InvalidResourceError, type Path } from '../../src/model/problems.js';

/** Any text that YAML can hold, ordinary or not. */
const text = fc.oneof(
  fc.constantFrom(
    'a',
    'beta',
    'us-east',
    ' ',
    '"q"',
    '%41',
    '%',
    '%%',
    '\\',
    '*',
    '(',
    'é',
    '😀',
    '\t',
    'a,b;c=d',
    '\ud83d',
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ minLength: 300, maxLength: 300 }),
);

const token = fc.oneof(
  fc.constantFrom('x-region', 'X-User-Id', 'cookie', 'user-agent', 'content-type', "!#$%&'*+-.^_`|~"),
  fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/),
);
/** Of those that routes may change. */
const changeable = fc.constantFrom(
  'x-a',
  'x-b',
  'X-C',
  'server',
  'user-agent',
  'content-type',
  'x-envoy-a',
  "x!#$'*",
);
const value = fc.oneof(
  fc.constantFrom('', 'a', '%', '%REQ(x)%', '100%', '"a"', 'a b', '{}'),
  fc.stringMatching(/^[!-~]{1,30}$/),
);
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const host = fc.oneof(
  label,
  fc.tuple(label, label).map((parts) => parts.join('.')),
);
const path = fc.oneof(
  fc.constantFrom(
    '/',
    '/a',
    '/a/',
    '//',
    '/a%2Fb',
    '/a;b',
    '/a,b',
    '/.',
    '/\\',
    "/a'b",
    '/(a)',
    '/[a]',
    '/$1',
    '/%00',
  ),
  fc.stringMatching(/^\/[!$-;=@-~]{0,12}$/),
);
const anyPath = fc.oneof(
  path,
  text.map((rest) => `/${rest}`),
);
const regex = fc.oneof(
  fc.constantFrom(
    '',
    '.*',
    '^a$',
    '(?i)abc',
    '[a-z]+',
    '(a|b)*c',
    '\\d{2,5}',
    '/v(\\d+)/.*',
    '\\Qa.b\\E',
    '(?P<n>a)',
  ),
  fc.constantFrom(
    '(?<n>a)',
    '(?<=a)b',
    '\\pL',
    '\\p{Greek}',
    '[[:alpha:]]',
    '\\x{1F600}',
    'é+',
    '\\z',
    '\\Z',
    '\\C',
    '^*',
  ),
  fc.constantFrom(
    'a{1000}',
    'a{1001}',
    '(?s).',
    '(?U)a+',
    '\\b\\w+\\b',
    'a**',
    '(?:)',
    '|',
    '[^\\x00]',
    '\\07',
    'x{0}',
  ),
  text,
);

const unit = fc.constantFrom('ms', 's', 'm', 'h');
const duration = fc.oneof(
  fc.constantFrom('0s', '0ms', '1ms', '1s', '500ms', '1.5s', '5m', '1h', '576h', '2073600s'),
  fc.tuple(fc.nat({ max: 3000 }), unit).map(([number, of]) => `${number}${of}`),
);
const count = fc.oneof(fc.constantFrom(0, 1, 2, 1000, 1_000_000_000), fc.nat({ max: 1_000_000_000 }));
const percent = fc.oneof(
  fc.constantFrom(0, 0.0001, 1, 33.3333, 100),
  fc.double({ min: 0, max: 100, noNaN: true }),
);
const wholePercent = fc.nat({ max: 100 });

/** Fields that may be there or not. */
const optionally = <T extends Record<string, fc.Arbitrary<unknown>>>(fields: T) =>
  fc.record(fields, { requiredKeys: [] });
/** One of several fields. */
const oneOf = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof(...Object.entries(fields).map(([name, of]) => of.map((given) => ({ [name]: given }))));

const condition = (name: fc.Arbitrary<string>) =>
  fc
    .tuple(
      name,
      oneOf({ exact: text, prefix: text, suffix: text, regex, present: fc.constant(true) }),
      optionally({ not: fc.boolean() }),
    )
    .map(([called, kind, not]) => ({ name: called, ...kind, ...not }));

const match = optionally({
  path: oneOf({ exact: anyPath, prefix: anyPath, regex }),
  method: fc.constantFrom('GET', 'POST', 'get', 'M-SEARCH', 'OPTIONS'),
  headers: fc.array(condition(token), { maxLength: 2 }),
  query: fc.array(condition(text), { maxLength: 2 }),
  cookies: fc.array(condition(token), { maxLength: 2 }),
});

const headerChanges = optionally({
  set: fc.dictionary(changeable, value, { maxKeys: 2 }),
  add: fc.dictionary(changeable, value, { maxKeys: 2 }),
  remove: fc.array(changeable, { maxLength: 2 }),
});

const split = fc.uniqueArray(fc.constantFrom('v1', 'v2', '1.4.2'), { minLength: 1 }).chain((names) =>
  fc
    .array(fc.oneof(fc.constantFrom(0, 1, 9, 1_000_000), fc.nat({ max: 1_000_000 })), {
      minLength: names.length,
      maxLength: names.length,
    })
    .map((weights) => names.map((version, i) => ({ version, weight: weights[i] }))),
);

const route = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.record({ split }),
      optionally({
        match: fc.array(match, { minLength: 1, maxLength: 3 }),
        pin: fc.boolean(),
        timeout: duration,
        idleTimeout: duration,
        retries: fc
          .tuple(
            fc.record({ attempts: fc.nat({ max: 10 }) }),
            optionally({
              on: fc.array(
                fc.constantFrom('connect-failure', 'reset', 'gateway-error', '5xx', '503', '429'),
                {
                  minLength: 1,
                },
              ),
              perTryTimeout: duration,
              methods: fc.array(fc.constantFrom('GET', 'POST', 'X'), { minLength: 1 }),
            }),
          )
          .map(([a, b]) => ({ ...a, ...b })),
        headers: optionally({ request: headerChanges, response: headerChanges }),
        rewrite: fc
          .tuple(oneOf({ path, prefix: path, host }), optionally({ host }))
          .map(([a, b]) => ({ ...a, ...b })),
        mirror: fc.record({ version: fc.constantFrom('v1', 'v2'), percent }),
        fault: optionally({
          delay: fc.record({ duration, percent }),
          abort: fc.record({ status: fc.integer({ min: 200, max: 599 }), percent }),
        }),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.record({
        redirect: fc
          .tuple(
            oneOf({
              scheme: fc.constantFrom('http', 'https'),
              host,
              port: fc.integer({ min: 1, max: 65_535 }),
              path,
              prefix: path,
            }),
            optionally({ status: fc.constantFrom(301, 302, 303, 307, 308), host }),
          )
          .map(([a, b]) => ({ ...a, ...b })),
      }),
      optionally({
        match: fc.array(match, { minLength: 1, maxLength: 2 }),
        headers: optionally({ response: headerChanges }),
        fault: optionally({ abort: fc.record({ status: fc.integer({ min: 200, max: 599 }), percent }) }),
      }),
    ),
  },
);

/** Named by their place; only the last one may match everything. */
const routes = fc.array(route, { maxLength: 4 }).map((all) =>
  all.map(([needed, more], i) => ({
    name: `r${i}`,
    ...needed,
    ...more,
    ...(i < all.length - 1 && !('match' in more) ? { match: [{ path: { prefix: `/r${i}` } }] } : {}),
  })),
);

const cookie = fc.oneof(
  token,
  fc
    .tuple(
      fc.record({ name: token }),
      optionally({
        path: anyPath,
        domain: host,
        ttl: duration,
        sameSite: fc.constantFrom('Lax', 'Strict', 'None'),
        secure: fc.constantFrom('auto', true, false),
        httpOnly: fc.boolean(),
      }),
    )
    .map(([a, b]) => ({ ...a, ...b })),
  fc.record({ name: token, mint: fc.constant(false) }),
);
const mode = fc.constantFrom('none', 'balanced', 'persistent');
const affinity = fc
  .tuple(
    fc.record({
      key: fc.array(oneOf({ header: token, cookie, query: text, baggage: text, source: fc.constant('ip') }), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
    optionally({
      version: mode,
      endpoint: mode,
      precedence: fc.constantFrom('split', 'session'),
      scope: fc.constantFrom('service', 'route'),
      salt: text,
      ttl: duration,
      failover: fc.constantFrom('stable', 'any'),
      failoverRepin: duration,
      lanes: fc.constantFrom('follow', 'ignore'),
    }),
  )
  .map(([a, b]) => ({ ...a, ...b }));

const endpoints = (subnet: number) =>
  fc
    .array(
      optionally({
        weight: fc.oneof(fc.constantFrom(1, 1000), fc.integer({ min: 1, max: 1000 })),
        zone: fc.oneof(fc.constantFrom('a', 'eu-west-1'), text),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((all) =>
      all.map((more, i) => ({
        address: i === 3 ? `[fd00::${subnet}]:8080` : `10.0.${subnet}.${i}:8080`,
        ...more,
      })),
    );

const versions = fc
  .tuple(endpoints(1), endpoints(2), fc.constantFrom('checkout-v3:8080', 'a.b.internal:1', '10.1.2.3:80'))
  .map(([one, two, dns]) => [
    { name: 'v1', endpoints: one },
    { name: 'v2', endpoints: two },
    { name: '1.4.2', dns },
  ]);

const bound = count;
const spec = fc
  .tuple(
    fc.record({ port: fc.integer({ min: 1, max: 65_535 }), versions, routes }),
    optionally({
      stable: fc.constantFrom('v1', 'v2'),
      affinity,
      health: optionally({
        path,
        interval: duration,
        timeout: duration,
        host,
        headers: fc.dictionary(changeable, value, { maxKeys: 2 }),
        healthyThreshold: bound,
        unhealthyThreshold: bound,
        panicThreshold: percent,
      }),
      outlier: optionally({
        consecutiveErrors: bound,
        interval: duration,
        baseEjectionTime: duration,
        maxEjectionTime: duration,
        maxEjectionPercent: wholePercent,
        panicThreshold: percent,
        successRate: optionally({
          minimumHosts: bound,
          requestVolume: bound,
          stdevFactor: fc.double({ min: 0, max: 1000, noNaN: true }),
        }),
      }),
      limits: optionally({
        connections: bound,
        pending: bound,
        requests: bound,
        retries: bound,
        retryBudget: optionally({ percent, minimum: bound }),
        perEndpoint: optionally({ connections: bound, requests: bound }),
      }),
      slowStart: duration,
      timeouts: optionally({ connect: duration, request: duration, idle: duration }),
      loadBalancer: fc.constantFrom('round-robin', 'least-request', 'ring-hash', 'maglev'),
    }),
  )
  .map(([a, b]) => ({ ...a, ...b }));

/** Documents that exercise every field, most of which the schema accepts. @param name of the service */
export function randomDocument(name: string): fc.Arbitrary<object> {
  return spec.map((of) => ({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace: 'shop' },
    spec: of,
  }));
}

type Container = Record<string | number, unknown>;

/** What is left of a document when everything that the schema refuses is taken out; undefined: nothing. */
export function acceptedPart(document: object): { document: object; service: MeshService } | undefined {
  const rest = structuredClone(document);
  for (let attempt = 0; attempt < 40; attempt++) {
    try {
      const service = parseMeshService(rest);
      const problems = applyProblems(rest);
      if (problems.length === 0) return { document: rest, service };
      throw new InvalidResourceError(problems);
    } catch (error) {
      if (!(error instanceof InvalidResourceError)) throw error;
      // From the last to the first, so that places in lists stay what they are.
      for (const { path } of [...error.problems].reverse()) takeOut(rest as Container, path);
    }
  }
  return undefined;
}

/** Takes out what is at a path, or what it was to be a part of. */
function takeOut(document: Container, path: Path): void {
  const parents: Container[] = [document];
  for (const step of path.slice(0, -1)) {
    const next = parents.at(-1)?.[step];
    if (typeof next !== 'object' || next === null) break;
    parents.push(next as Container);
  }
  for (let depth = Math.min(parents.length, path.length) - 1; depth >= 1; depth--) {
    const [parent, step] = [parents[depth] as Container, path[depth] as string | number];
    if (!(step in parent)) continue;
    if (Array.isArray(parent)) parent.splice(step as number, 1);
    else delete parent[step];
    return;
  }
}
