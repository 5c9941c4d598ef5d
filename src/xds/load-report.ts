import { formatAddress } from '../net/ip-address.js';
import type { Message } from './descriptors.js';
import { durationMs, message, messages, text, toDuration } from './fields.js';

/** What one client reports about one endpoint for the time since its last report (LRS). */
export interface EndpointLoad {
  /** `10.0.0.1:80` */
  readonly address: string;
  readonly issued: number;
  readonly succeeded: number;
  readonly failed: number;
  /** At the moment of the report. */
  readonly inFlight: number;
  /** Sum over the requests that finished and were timed, in milliseconds. */
  readonly latencySumMs: number;
  /** Those of the requests that finished of which it is known how long they took. */
  readonly timed: number;
  /** Sessions pinned there, at the moment of the report. */
  readonly pins: number;
}

export interface ClusterLoad {
  readonly cluster: string;
  readonly endpoints: readonly EndpointLoad[];
  /** Undefined: the client does not say. */
  readonly condition?: ClusterCondition;
}

/** What one client knows of a cluster at the moment of the report. */
export interface ClusterCondition {
  readonly endpoints: number;
  /** Those that take new sessions. */
  readonly usable: number;
  /** Requests since the last report that another release took, since this one had no usable endpoint. */
  readonly failovers: number;
}

export const LRS_SERVICE = 'envoy.service.load_stats.v3.LoadReportingService';

/** Names of our own metrics in `load_metric_stats`. */
const LATENCY_METRIC = 'roost.latency_ms';
const PINS_METRIC = 'roost.pins';
/** Of a whole cluster. */
const ENDPOINTS_METRIC = 'roost.endpoints';
const USABLE_METRIC = 'roost.usable_endpoints';
const FAILOVERS_METRIC = 'roost.failovers';

/** A cluster's load as `envoy.config.endpoint.v3.ClusterStats`. */
export function encodeClusterLoad(
  { cluster, endpoints, condition }: ClusterLoad,
  intervalMs: number,
): object {
  const sum = (read: (endpoint: EndpointLoad) => number) =>
    endpoints.reduce((total, endpoint) => total + read(endpoint), 0);
  const locality = {
    totalSuccessfulRequests: sum(({ succeeded }) => succeeded),
    totalErrorRequests: sum(({ failed }) => failed),
    totalIssuedRequests: sum(({ issued }) => issued),
    totalRequestsInProgress: sum(({ inFlight }) => inFlight),
    upstreamEndpointStats: endpoints.map(encodeEndpoint),
    ...(condition && { loadMetricStats: encodeCondition(condition) }),
  };
  return {
    clusterName: cluster,
    clusterServiceName: cluster,
    upstreamLocalityStats: [locality],
    loadReportInterval: toDuration(intervalMs),
  };
}

function encodeCondition({ endpoints, usable, failovers }: ClusterCondition): object[] {
  return [
    { metricName: ENDPOINTS_METRIC, totalMetricValue: endpoints },
    { metricName: USABLE_METRIC, totalMetricValue: usable },
    { metricName: FAILOVERS_METRIC, totalMetricValue: failovers },
  ];
}

function encodeEndpoint(load: EndpointLoad): object {
  const colon = load.address.lastIndexOf(':');
  const host = load.address.slice(0, colon).replace(/^\[|\]$/g, '');
  return {
    address: { socketAddress: { address: host, portValue: Number(load.address.slice(colon + 1)) } },
    totalSuccessfulRequests: load.succeeded,
    totalErrorRequests: load.failed,
    totalIssuedRequests: load.issued,
    totalRequestsInProgress: load.inFlight,
    loadMetricStats: [
      {
        metricName: LATENCY_METRIC,
        numRequestsFinishedWithMetric: load.timed,
        totalMetricValue: load.latencySumMs,
      },
      { metricName: PINS_METRIC, numRequestsFinishedWithMetric: load.timed, totalMetricValue: load.pins },
    ],
  };
}

/** In a reporting node's metadata: route configurations that it has accepted and that are not in force yet. */
const WAITING_FIELD = 'roost.waiting';
/** Most names told, and their length. */
const MAX_WAITING = 20;
const MAX_NAME = 512;

/** A node that tells what it waits for, so that a server knows what it runs and not only what it has accepted. */
export function withWaiting(node: object, waiting: readonly string[]): object {
  const { metadata } = node as { metadata?: { fields?: object } };
  const values = waiting.slice(0, MAX_WAITING).map((name) => ({ stringValue: name }));
  return {
    ...node,
    metadata: { fields: { ...metadata?.fields, [WAITING_FIELD]: { listValue: { values } } } },
  };
}

function decodeWaiting(raw: unknown): string[] {
  const fields = message(message(message(raw)?.metadata)?.fields);
  const list = message(message(fields?.[WAITING_FIELD])?.listValue);
  return messages(list?.values)
    .slice(0, MAX_WAITING)
    .map(({ stringValue }) => text(stringValue).slice(0, MAX_NAME));
}

/** What one client tells at one moment (`LoadStatsRequest`). */
export interface LoadReport {
  /** Id of the node that reports; empty: not told. */
  readonly node: string;
  /** Route configurations that it has accepted and that are not in force yet. */
  readonly waiting: readonly string[];
  readonly clusters: readonly ClusterLoad[];
  /** Since the client's report before; 0: it has only said that it is there. */
  readonly intervalMs: number;
}

export function decodeLoadReport(raw: Message): LoadReport {
  const stats = messages(raw.clusterStats);
  return {
    node: text(message(raw.node)?.id),
    waiting: decodeWaiting(raw.node),
    clusters: stats.map(decodeClusterLoad),
    intervalMs: intervalOf(stats),
  };
}

/** A report over an instant would make a huge rate of any count. */
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 3_600_000;

function intervalOf(stats: readonly Message[]): number {
  const longest = stats.reduce(
    (most, { loadReportInterval }) => Math.max(most, amount(durationMs(loadReportInterval))),
    0,
  );
  return longest === 0 ? 0 : Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, longest));
}

/** More of anything than there is: sums of it stay exact. */
const MAX_AMOUNT = 1e12;

/** What a client says that it has counted: no less than nothing, and a number. */
function amount(value: unknown): number {
  const number = Number(value ?? 0);
  return number > 0 ? Math.min(number, MAX_AMOUNT) : 0;
}

/** Reads a report of any client: those that do not tell endpoints apart are read as one without an address. */
function decodeClusterLoad(raw: Message): ClusterLoad {
  const localities = messages(raw.upstreamLocalityStats);
  const conditions = localities.flatMap((locality) => decodeCondition(locality) ?? []);
  const endpoints = localities.flatMap((locality) => {
    const told = messages(locality.upstreamEndpointStats);
    if (told.length > 0) return told.map(decodeEndpoint);
    return decodeCondition(locality) === undefined ? [decodeStats(locality, '')] : [];
  });
  const [condition] = conditions;
  return { cluster: text(raw.clusterName), endpoints, ...(condition && { condition }) };
}

/** Undefined: the client is none of ours. */
function decodeCondition(locality: Message): ClusterCondition | undefined {
  const total = totalsOf(locality);
  const endpoints = total(ENDPOINTS_METRIC);
  if (endpoints === undefined) return undefined;
  return { endpoints, usable: total(USABLE_METRIC) ?? 0, failovers: total(FAILOVERS_METRIC) ?? 0 };
}

/** Of what a client says of itself, numbers that can be counted with. */
function totalsOf({ loadMetricStats }: Message): (name: string) => number | undefined {
  const metrics = new Map(messages(loadMetricStats).map((stat) => [text(stat.metricName), stat]));
  return (name) => {
    const value = metrics.get(name)?.totalMetricValue;
    return value === undefined ? undefined : amount(value);
  };
}

function decodeEndpoint(raw: Message): EndpointLoad {
  const socket = message(message(raw.address)?.socketAddress);
  const host = text(socket?.address);
  return decodeStats(raw, host === '' ? '' : formatAddress(host, Number(socket?.portValue ?? 0)));
}

function decodeStats(raw: Message, address: string): EndpointLoad {
  const metrics = new Map(messages(raw.loadMetricStats).map((stat) => [text(stat.metricName), stat]));
  const totalOf = (name: string) => amount(metrics.get(name)?.totalMetricValue);
  return {
    address,
    issued: amount(raw.totalIssuedRequests),
    succeeded: amount(raw.totalSuccessfulRequests),
    failed: amount(raw.totalErrorRequests),
    inFlight: amount(raw.totalRequestsInProgress),
    latencySumMs: totalOf(LATENCY_METRIC),
    // Envoy and gRPC time nothing.
    timed: amount(metrics.get(LATENCY_METRIC)?.numRequestsFinishedWithMetric),
    pins: totalOf(PINS_METRIC),
  };
}
