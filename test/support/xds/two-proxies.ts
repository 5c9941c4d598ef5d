import type { Test } from 'tap';
import { Backend, type Echo, type Handler } from '../backend.js';
import { type Answer, type Call, type CallOptions, caller } from '../calls.js';
import { socketAddress, startEnvoy } from '../envoy.js';
import { TestMesh, toAddress } from '../mesh.js';
import { PlainAdsServer, type PlainResources } from '../plain-ads-server.js';

/** A real Envoy and a sidecar that the same control plane, which is not ours, sends the same resources. */
export interface TwoProxies {
  readonly server: PlainAdsServer;
  readonly proxies: readonly NamedProxy[];
}

export interface NamedProxy {
  readonly name: 'envoy' | 'roost';
  readonly call: Call;
}

const ADS = { ads: {}, resource_api_version: 'V3' };
const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

/** A bootstrap with which everything, listeners included, comes from one control plane. */
function everythingByAds(controlPlane: string): object {
  const address = socketAddress(controlPlane);
  return {
    node: { id: 'envoy', cluster: 'tests' },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'control-plane' } }],
      },
      lds_config: ADS,
      cds_config: ADS,
    },
    static_resources: {
      clusters: [
        {
          name: 'control-plane',
          type: 'STATIC',
          connect_timeout: '5s',
          typed_extension_protocol_options: HTTP2,
          load_assignment: {
            cluster_name: 'control-plane',
            endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
          },
        },
      ],
    },
  };
}

/** @param resources with a listener called `outbound` on port 0 */
export async function startTwoProxies(t: Test, resources: PlainResources): Promise<TwoProxies> {
  const server = await PlainAdsServer.start(t, resources);
  const mesh = await TestMesh.start(t);
  const sidecar = await mesh.sidecar({ controlPlanes: [toAddress(server.address)], drainTimeoutMs: 0 });
  const { listeners } = await startEnvoy(t, everythingByAds(server.address));
  return {
    server,
    proxies: [
      { name: 'envoy', call: caller(t, listeners.outbound as string) },
      { name: 'roost', call: caller(t, sidecar.addresses.outbound) },
    ],
  };
}

export function assignmentOf(
  clusterName: string,
  addresses: readonly string[],
  locality: object = {},
): object {
  return { clusterName, endpoints: [{ ...locality, lbEndpoints: addresses.map((at) => endpointAt(at)) }] };
}

export function endpointAt(hostPort: string, more: object = {}): object {
  const { host, port } = toAddress(hostPort);
  return { endpoint: { address: { socketAddress: { address: host, portValue: port } } }, ...more };
}

/** What the caller and the backend see of one request, but for what each proxy adds of its own. */
export interface Seen {
  readonly status: number;
  /** Of the response: `location`, and what begins with `x-` and is nobody's own. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** Of the request as the backend got it; undefined: none got it. */
  readonly upstream: object | undefined;
}

/** A proxy's own, and the key that tells the requests of one proxy from those of the other. */
const OWN = /^x-(envoy|roost|request-id|forwarded|key)/;
/** Between two neighbours, or the client library's. */
const HOP = new Set([
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'date',
  'server',
  'via',
]);

export async function seenThrough(
  { call }: NamedProxy,
  host: string,
  options: CallOptions = {},
): Promise<Seen> {
  const answer = await call(host, options);
  return { status: answer.status, headers: shownHeaders(answer), upstream: upstreamOf(answer) };
}

function shownHeaders({ headers }: Answer): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => name === 'location' || (name.startsWith('x-') && !OWN.test(name)),
    ),
  );
}

function upstreamOf({ body, backend }: Answer): object | undefined {
  if (backend === '') return undefined;
  const { method, url, headers } = JSON.parse(body) as { method: string; url: string; headers: object };
  const kept = Object.entries(headers).filter(([name]) => !OWN.test(name) && !HOP.has(name));
  return { backend, method, url, headers: Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/**
 * Backends that do what a request asks for. `x-answer: 503,503,200` is answered in turn; `x-wait: 500` is answered
 * late, but for the first time only; `x-fail: 1`, and the path `/check-1-fails`, fail at backend 1.
 *
 * @param number tells it from others in those
 * @param asked how often each key has come, to any of the backends that share this
 */
export async function startObedient(
  t: Test,
  name: string,
  number = 0,
  asked = new Map<string, number>(),
): Promise<Obedient> {
  const seen: Pick<Echo, 'method' | 'url' | 'headers'>[] = [];
  const handler: Handler = (request, response, backend) => {
    const { method = '', url = '', headers } = request;
    const { 'x-answer': answers = '200', 'x-wait': wait = '0', 'x-key': key = '', 'x-fail': fails } = headers;
    const times = (asked.get(String(key)) ?? 0) + 1;
    asked.set(String(key), times);
    seen.push({ method, url, headers });
    const statuses = String(answers).split(',');
    const fail = fails === String(number) || url === `/check-${number}-fails`;
    const status = fail ? 500 : Number(statuses[Math.min(times, statuses.length) - 1]);
    const shown = { 'x-from': backend.name, 'x-secret': 'app', 'x-attempt': String(times) };
    const answer = () => {
      response.writeHead(status, shown);
      response.end(JSON.stringify({ backend: backend.name, method, url, headers, bytes: 0 }));
    };
    request.resume();
    setTimeout(answer, times === 1 ? Number(wait) : 0);
  };
  return { backend: await Backend.start(t, name, handler), seen };
}

export interface Obedient {
  readonly backend: Backend;
  /** Every request that has come. */
  readonly seen: readonly Pick<Echo, 'method' | 'url' | 'headers'>[];
}
