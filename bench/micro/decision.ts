import { randomBytes } from 'node:crypto';
import { translateService } from '../../control-plane/translate/service.js';
import { RequestHead } from '../../sidecar/http1/request-head.js';
import { SessionPins } from '../../sidecar/session/session-pins.js';
import { SessionTable } from '../../sidecar/session/session-table.js';
import { parseMeshService } from '../../src/model/mesh-service.js';
import { compileVirtualHost } from '../../src/routing/compile.js';
import { type DecisionContext, findRoute, place } from '../../src/routing/decide.js';
import { DomainTable } from '../../src/routing/domains.js';
import { type Endpoint, EndpointSet, USABLE } from '../../src/routing/endpoint-set.js';
import type { Cluster } from '../../src/routing/release.js';
import { newSessionKey, RANDOM_BYTES } from '../../src/routing/session-cookie.js';
import { decodeCluster } from '../../src/xds/cluster.js';
import { decodeAssignment } from '../../src/xds/endpoint.js';
import { decodeRouteConfiguration } from '../../src/xds/route.js';
import { seededRandom, userId } from '../load/request-pool.js';
import type { SpecialFigure } from '../report/results.js';
import { bigMesh, pathOf, regionOf, serviceName } from './big-mesh.js';
import { nanosecondsEach } from './repeat.js';

const SERVICES = 1000;
const ROUTES = 20;
const ENDPOINTS = 10;
/** Few, as authorities are: in a sidecar the head has just been parsed, and is in the processor's cache. The services are not. */
const REQUESTS = 100;
const DECISIONS = 100_000;
const MAX_FIELDS = 100;
const SESSIONS = 100_000;
const GOAL_US = 2;

/** What the sidecar does for a request between its head and its connection: host, route, release, endpoint. */
export function measureDecision(): SpecialFigure[] {
  const table = compileTable(bigMesh({ services: SERVICES, endpointsEach: ENDPOINTS, routesEach: ROUTES }));
  const context = decisionContext();
  const authorities = Array.from({ length: SERVICES }, (_, i) => flat(`${serviceName(i)}.shop`));
  const measure = (name: string, routeOf: (i: number) => number): SpecialFigure => {
    const requests = makeRequests(routeOf);
    const random = seededRandom(3);
    const services = Uint16Array.from({ length: DECISIONS }, () => Math.floor(random() * SERVICES));
    const values = nanosecondsEach(DECISIONS, () => {
      for (let i = 0; i < DECISIONS; i++)
        decide(
          table,
          authorities[services[i] as number] as string,
          requests[i % REQUESTS] as RequestHead,
          context,
        );
    });
    return { name, unit: 'µs', values: values.map((ns) => ns / 1000), goal: GOAL_US };
  };
  return [
    measure(`decision among ${SERVICES} services of ${ROUTES} routes, any route`, (i) => i % ROUTES),
    measure(`decision among ${SERVICES} services of ${ROUTES} routes, the last route`, () => ROUTES - 1),
  ];
}

function decide(table: DomainTable, authority: string, request: RequestHead, context: DecisionContext): void {
  const host = table.find(authority);
  const route = host && findRoute(host, request, context.random);
  const placed = host && route && place(host, route, request, context);
  if (placed?.endpoint === undefined) throw new Error(`no decision for ${authority}${request.path}`);
}

/** The way configuration takes in production: resource → xDS bytes → decoded → compiled. */
function compileTable(resources: readonly object[]): DomainTable {
  const clusters = new Map<string, Cluster>();
  const hosts = resources.map((resource) => {
    const context = { pinSecret: Buffer.alloc(32, 7), incarnation: (_: unknown, release: string) => release };
    const { shared, localRoutes } = translateService(parseMeshService(resource), context);
    const bytesOf = (kind: string) =>
      shared.filter((encoded) => encoded.kind === kind).map(({ bytes }) => bytes);
    const assignments = bytesOf('endpoint').map(decodeAssignment);
    for (const { name, loadBalancer } of bytesOf('cluster').map(decodeCluster)) {
      const configs = assignments.find((assignment) => assignment.name === name)?.endpoints ?? [];
      const endpoints = configs.map((config): Endpoint => ({ ...config, activeRequests: 0 }));
      const set = EndpointSet.of(endpoints, loadBalancer, () => USABLE);
      clusters.set(name, { name, endpoints: set, unusableSinceMs: undefined });
    }
    const [config] = decodeRouteConfiguration(localRoutes.bytes).virtualHosts;
    if (config === undefined) throw new Error('a service without a virtual host');
    const options = {
      cluster: (name: string) => clusters.get(name) as Cluster,
      mintKey: () => newSessionKey(randomBytes(RANDOM_BYTES), Date.now() / 1000),
    };
    return [config.domains, compileVirtualHost(config, options)] as const;
  });
  return DomainTable.of(hosts);
}

function decisionContext(): DecisionContext {
  const pins = new SessionPins({ table: new SessionTable(SESSIONS, 0), nowMs: () => 0, wallMs: () => 0 });
  return { nowMs: 0, random: Math.random, findPin: pins.find.bind(pins) };
}

/** As it comes from a socket: in one piece. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** Parsed heads of realistic requests, each meant for one of its service's routes. */
function makeRequests(routeOf: (i: number) => number): RequestHead[] {
  const random = seededRandom(2);
  return Array.from({ length: REQUESTS }, (_, i) => {
    const route = routeOf(i);
    const isLast = route === ROUTES - 1;
    const path = isLast || route % 3 === 1 ? '/api/v1/elsewhere' : pathOf(route);
    const region = isLast || route % 3 === 0 ? 'nowhere' : regionOf(route);
    const head = new RequestHead(MAX_FIELDS, '127.0.0.1');
    const text =
      `GET ${path}/orders/${i}?page=1 HTTP/1.1\r\nHost: any\r\nUser-Agent: okhttp/4.12.0\r\n` +
      'Accept: application/json\r\nAccept-Encoding: gzip\r\nAccept-Language: en-GB\r\nCache-Control: no-cache\r\n' +
      `X-User-Id: ${userId(Math.floor(random() * 5000))}\r\nCookie: theme=dark; consent=1\r\n` +
      `Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX-Region: ${region}\r\n` +
      'Authorization: Bearer 0123456789abcdef\r\nX-Client-Version: 5.18.2\r\n\r\n';
    head.parse(flat(text));
    return head;
  });
}
