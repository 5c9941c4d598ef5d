import fc from 'fast-check';
import t from 'tap';
import { compileVirtualHost } from '../../../../src/routing/compile.js';
import { findRoute } from '../../../../src/routing/decide.js';
import { DomainTable } from '../../../../src/routing/domains.js';
import { EndpointSet, USABLE } from '../../../../src/routing/endpoint-set.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import type { ClusterResource } from '../../../../src/xds/cluster.js';
import { MAX_RESOURCE_BYTES } from '../../../../src/xds/decode-resource.js';
import { codec } from '../../../../src/xds/descriptors.js';
import { InvalidXdsError } from '../../../../src/xds/fields.js';
import { decodeLoadReport } from '../../../../src/xds/load-report.js';
import { messageNameOf, type ResourceKind } from '../../../../src/xds/resource-types.js';
import type { RouteConfigurationResource } from '../../../../src/xds/route.js';
import { CARRIERS } from '../../../support/xds/carriers.js';
import { bytesOf, DECODERS } from '../../../support/xds/decoded.js';
import { mutated, Random, randomMessage } from '../../../support/xds/hostile.js';

/**
 * Whatever bytes come as a resource, a decoder takes them or throws its own error, and what it takes
 * can be compiled and asked.
 */

const KINDS = Object.keys(DECODERS) as ResourceKind[];
/** What the Anys of resources hold. */
const PACKED = [
  ...Object.keys(CARRIERS).filter((name) => /\.(extensions|FilterConfig)/.test(name)),
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute',
  'envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState',
].filter((name) => !name.includes('.common.') && !/Config$|Delay$|Abort$/.test(name));

function decode(kind: ResourceKind, bytes: Uint8Array): object | undefined {
  try {
    return DECODERS[kind](bytes);
  } catch (error) {
    if (!(error instanceof InvalidXdsError)) throw error;
    if (error.problems.length === 0 || error.problems.length > 101)
      throw new Error(`${error.problems.length} problems`);
    return undefined;
  }
}

const REQUESTS = [
  plainRequest({}),
  plainRequest({
    path: '/a/b?q=1',
    headers: [
      ['x-h', 'a'],
      ['cookie', 'a=b'],
    ],
  }),
  plainRequest({ method: 'POST', path: '*' }),
];

/** Uses what was taken as a sidecar does. */
function use(kind: ResourceKind, resource: object): void {
  if (kind === 'route') useRoutes(resource as RouteConfigurationResource);
  if (kind === 'cluster') useCluster(resource as ClusterResource);
}

function useRoutes({ virtualHosts }: RouteConfigurationResource): void {
  const loadBalancer = {
    kind: 'round-robin',
    ringSize: 'proportional',
    tableSize: 7,
    slowStartMs: 0,
  } as const;
  const endpoints = EndpointSet.of([], loadBalancer, () => USABLE);
  const options = {
    cluster: (name: string) => ({ name, endpoints, unusableSinceMs: undefined }),
    mintKey: () => 'a'.repeat(22),
  };
  const hosts = virtualHosts.map((host) => compileVirtualHost(host, options));
  const table = DomainTable.of(hosts.map((host, i) => [virtualHosts[i]?.domains ?? [], host]));
  table.find('a.test');
  for (const host of hosts) for (const request of REQUESTS) findRoute(host, request, () => 0.5);
}

function useCluster({ loadBalancer, discovery }: ClusterResource): void {
  if (discovery.kind !== 'static') return;
  const endpoints = discovery.endpoints.map((endpoint) => ({ ...endpoint, activeRequests: 0 }));
  EndpointSet.of(endpoints, loadBalancer, () => USABLE);
}

const seeds = fc.integer();

t.test('any bytes', async (t) => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), bytes, (kind, value) => {
      const resource = decode(kind, value);
      if (resource) use(kind, resource);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

t.test('messages with any fields, at any depth', async (t) => {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), seeds, (kind, seed) => {
      const message = randomMessage(messageNameOf(kind), new Random(seed), PACKED);
      const resource = decode(kind, codec(messageNameOf(kind)).encode(message));
      if (resource === undefined) seen.refused++;
      else {
        seen.taken++;
        use(kind, resource);
      }
    }),
    { numRuns: 1500 },
  );
  t.ok(seen.refused > 100, JSON.stringify(seen));
});

t.test('resources that were good, with a few bits wrong', async (t) => {
  const corpus = Object.values(CARRIERS).map((carry) => carry({}));
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(fc.constantFrom(...corpus), seeds, (carried, seed) => {
      const resource = decode(carried.kind, mutated(bytesOf(carried), new Random(seed)));
      if (resource === undefined) seen.refused++;
      else {
        seen.taken++;
        use(carried.kind, resource);
      }
    }),
    { numRuns: 6000 },
  );
  t.ok(seen.taken > 100 && seen.refused > 100, JSON.stringify(seen));
});

t.test('what would take too much is refused with the bound', async (t) => {
  const problems = (kind: ResourceKind, message: object): string => {
    try {
      DECODERS[kind](codec(messageNameOf(kind)).encode(message));
      return '';
    } catch (error) {
      if (!(error instanceof InvalidXdsError)) throw error;
      return error.problems.join('\n');
    }
  };
  const matching = (...patterns: string[]) => ({
    name: 'r',
    virtualHosts: [
      {
        domains: ['d'],
        routes: patterns.map((regex) => ({ match: { safeRegex: { regex } }, route: { cluster: 'c' } })),
      },
    ],
  });
  t.equal(problems('route', matching('a{1000}')), '');
  t.match(problems('route', matching('\\pL{1000}'.repeat(20))), /safe_regex: repeats too much/);
  t.match(problems('route', matching('a'.repeat(8193))), /safe_regex: is longer than 8192 characters/);
  const many = Array.from({ length: 120 }, (_, i) => `a{900}${i}`);
  t.match(
    problems('route', matching(...many)),
    /^virtual_hosts\[0\]\.routes\[110\]\.match\.safe_regex: is one regular expression too many: .* 200000 instructions/,
  );
  const bad = Array.from({ length: 500 }, () => '(');
  const lines = problems('route', matching(...bad)).split('\n');
  t.equal(lines.length, 101);
  t.equal(lines.at(-1), 'and more');

  const cluster = (fields: object) => ({
    name: 'c',
    type: 'EDS',
    edsClusterConfig: { edsConfig: { ads: {} } },
    ...fields,
  });
  const ring = (min: number, max: number) =>
    problems(
      'cluster',
      cluster({
        lbPolicy: 'RING_HASH',
        ringHashLbConfig: { minimumRingSize: { value: min }, maximumRingSize: { value: max } },
      }),
    );
  t.equal(ring(1, 8_388_608), '');
  t.match(ring(1, 8_388_609), /maximum_ring_size: 8388609 is more than 8388608/);
  t.match(ring(9, 8), /minimum_ring_size: 9 is more than the maximum, 8/);
  const maglev = (value: number) =>
    problems('cluster', cluster({ lbPolicy: 'MAGLEV', maglevLbConfig: { tableSize: { value } } }));
  t.equal(maglev(5_000_011), '');
  for (const size of [0, 1, 4, 65_536, 5_000_077, 4_294_967_291])
    t.match(maglev(size), `table_size: ${size} is not a prime number up to 5000011`);

  const large = Buffer.alloc(MAX_RESOURCE_BYTES + 1);
  for (const kind of KINDS)
    t.throws(() => DECODERS[kind](large), { message: /is of 16777217 bytes; the most is 16777216/ });
});

t.test('nested without end: refused, and no overflow of the stack', async (t) => {
  // A Struct within a Struct within a Struct, in a cluster's metadata.
  let value: object = { boolValue: true };
  for (let depth = 0; depth < 45; depth++) value = { structValue: { fields: { a: value } } };
  const metadata = { filterMetadata: { x: { fields: { a: value } } } };
  const shallow = codec(messageNameOf('cluster')).encode({ name: 'c', metadata: { filterMetadata: {} } });
  t.ok(decode('cluster', shallow));
  let bytes: Buffer = Buffer.from([0x20, 1]);
  // Value.struct_value = 5, Struct.fields = 1, its entry's value = 2.
  for (let depth = 0; depth < 5000; depth++) {
    const entry = wrap(2, bytes);
    bytes = wrap(5, wrap(1, entry));
  }
  const struct = wrap(1, wrap(2, bytes));
  const entry = Buffer.concat([wrap(1, Buffer.from('x')), wrap(2, struct)]);
  // Cluster.metadata = 25, Metadata.filter_metadata = 1.
  const nested = Buffer.concat([shallow, wrap(25, wrap(1, entry))]);
  t.throws(() => DECODERS.cluster(nested), {
    constructor: InvalidXdsError,
    message: /is not a valid .*Cluster/,
  });
  t.ok(decode('cluster', codec(messageNameOf('cluster')).encode({ name: 'c', metadata })) !== null);
});

/** A length-delimited field. */
function wrap(field: number, content: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
}

function varint(number: number): Buffer {
  const bytes: number[] = [];
  for (let rest = number; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

t.test('load reports with any fields are read as far as they can be', async (t) => {
  const name = 'envoy.service.load_stats.v3.LoadStatsRequest';
  fc.assert(
    fc.property(seeds, (seed) => {
      const bytes = codec(name).encode(randomMessage(name, new Random(seed), PACKED));
      decodeLoadReport(codec(name).decode(bytes));
    }),
    { numRuns: 500 },
  );
  t.pass();
});
