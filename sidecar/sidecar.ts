import type { Server as HttpServer } from 'node:http';
import {
  type ChannelSecurityOptions,
  INSECURE,
  openChannelSecurity,
} from '../src/access/channel-security.js';
import { CoarseClock } from '../src/lifecycle/coarse-clock.js';
import { listen } from '../src/lifecycle/listen.js';
import type { SocketAddress } from '../src/model/formats.js';
import { EventLoopDelay } from '../src/telemetry/event-loop-delay.js';
import type { LogOutput } from '../src/telemetry/log-output.js';
import type { Logger } from '../src/telemetry/logger.js';
import { ProcessFigures } from '../src/telemetry/process-metrics.js';
import { Scraper } from '../src/telemetry/scrape.js';
import { formatAddress } from '../src/xds/fields.js';
import { AccessLog, type AccessLogLevel } from './admin/access-log.js';
import { ActionCounts } from './admin/action-counts.js';
import { createAdminServer } from './admin/admin-server.js';
import { describeClusters } from './admin/describe-clusters.js';
import { sidecarMetrics } from './admin/metrics.js';
import { readiness } from './admin/readiness.js';
import { RequestRecorder } from './admin/request-recorder.js';
import { RequestSamples } from './admin/request-samples.js';
import type { AdsClient, AdsClientOptions } from './discovery/ads-client.js';
import { controlPlaneChannel } from './discovery/control-plane-channel.js';
import { DeltaClient } from './discovery/delta-client.js';
import { LastGood } from './discovery/last-good.js';
import { LoadLedger } from './discovery/load-ledger.js';
import { LoadReporter } from './discovery/load-reporter.js';
import { MeshConfiguration } from './discovery/mesh-configuration.js';
import { nodeOf } from './discovery/node.js';
import { SotwClient } from './discovery/sotw-client.js';
import { Drain } from './drain.js';
import type { Http1Limits } from './http1/limits.js';
import { createInboundListener } from './inbound/inbound-listener.js';
import { Mirrors } from './outbound/mirrors.js';
import type { OutboundServices } from './outbound/outbound-forwarder.js';
import { createOutboundListener } from './outbound/outbound-listener.js';
import { PassthroughEndpoints } from './outbound/passthrough.js';
import type { Listener } from './proxy/listener.js';
import { requestIds } from './proxy/request-ids.js';
import { countPins } from './session/pin-census.js';
import { SessionPins } from './session/session-pins.js';
import { SessionTable } from './session/session-table.js';
import { TraceMemory } from './session/trace-memory.js';
import { ClusterRegistry } from './upstream/cluster-registry.js';
import { type ResolvedAddress, resolveBySystem, resolveWithOverrides } from './upstream/dns-refresher.js';
import { HealthChecker } from './upstream/health-checker.js';
import { probeHealth } from './upstream/health-probe.js';
import { ReachabilityProber } from './upstream/reachability-prober.js';
import { UpstreamEndpoint, type UpstreamSettings, unwatched } from './upstream/upstream-endpoint.js';

export interface SidecarOptions {
  readonly service: { readonly name: string; readonly namespace: string };
  /** Empty: not told. */
  readonly release: string;
  readonly controlPlane: SocketAddress;
  /** How it proves to the control plane who it is. */
  readonly security?: ChannelSecurityOptions;
  /** How configuration is asked for: what changed, or all of it again. */
  readonly xdsMode: 'delta' | 'sotw';
  /** Folder that keeps the last good configuration; empty: it is not kept. */
  readonly stateDir: string;
  /** Id that servers know this sidecar by; empty: made from its service, release and host. */
  readonly nodeId: string;
  readonly outbound: SocketAddress;
  readonly inbound: SocketAddress;
  readonly app: SocketAddress;
  readonly admin: SocketAddress;
  /** A second admin listener, for scrapers outside. */
  readonly metrics: SocketAddress | undefined;
  readonly passthrough: boolean;
  /** DNS names answered from here: `host:port` → addresses. */
  readonly resolve: ReadonlyMap<string, readonly ResolvedAddress[]>;
  readonly sessionTableSize: number;
  readonly drainGraceMs: number;
  readonly drainTimeoutMs: number;
  readonly limits: Http1Limits;
  readonly accessLog: AccessLogLevel;
  /** Of a busy sidecar, `/debug/requests` shows one request in so many. */
  readonly debugSample: number;
}

/** Deadlines are kept to within this. */
const TICK_MS = 50;
/** Idle upstream connections are closed before the 5 s after which Node servers close theirs. */
const UPSTREAM_IDLE_MS = 4000;
const CONNECT_FAILURES_TO_EJECT = 3;

/** Where a sidecar listens; `metrics` only where it was asked for. */
export interface SidecarAddresses {
  readonly outbound: string;
  readonly inbound: string;
  readonly admin: string;
  readonly metrics?: string;
}

/** A running sidecar. {@link Sidecar.start} is the one place that puts its parts together. */
export class Sidecar {
  private constructor(
    private readonly parts: Parts,
    readonly addresses: SidecarAddresses,
    private readonly log: Logger,
  ) {}

  /**
   * Starts everything or nothing.
   *
   * @param output where the access log goes
   * @throws ListenError, OperatorError where a file of credentials cannot be used
   */
  static async start(options: SidecarOptions, log: Logger, output: LogOutput): Promise<Sidecar> {
    const parts = assemble(options, log, output, () => sidecar?.drain());
    let sidecar: Sidecar | undefined;
    parts.configuration.start();
    await restore(parts);
    const addresses = await bind(parts, options).catch((error: unknown) => {
      release(parts);
      throw error;
    });
    parts.client.start();
    parts.reporter.start();
    sidecar = new Sidecar(parts, addresses, log);
    log.info(
      { ...addresses, app: formatAddress(options.app.host, options.app.port) },
      'sidecar is listening',
    );
    return sidecar;
  }

  /** Fails `/ready`, and goes as far as {@link Drain} goes without ending anything that is under way. */
  drain(): void {
    if (this.parts.drain.begun) return;
    this.log.info('draining');
    this.parts.drain.begin();
  }

  /** Finishes what is under way, for a bounded time, and stops. */
  async stop(): Promise<void> {
    this.drain();
    await this.parts.drain.finish();
    await this.parts.lastGood?.close();
    release(this.parts);
    this.log.info('sidecar has stopped');
  }
}

interface Parts {
  readonly drain: Drain;
  readonly clock: CoarseClock;
  readonly delay: EventLoopDelay;
  readonly clusters: ClusterRegistry;
  readonly app: UpstreamEndpoint;
  readonly passthrough: PassthroughEndpoints | undefined;
  readonly mirrors: Mirrors;
  readonly configuration: MeshConfiguration;
  /** Where a directory was named to keep it in. */
  readonly lastGood: LastGood | undefined;
  readonly client: AdsClient;
  readonly reporter: LoadReporter;
  readonly outbound: Listener;
  readonly inbound: Listener;
  readonly admin: HttpServer;
  readonly publicAdmin: HttpServer;
}

/** Starts from the last good configuration on disk, where there is one, before the first request can arrive. */
async function restore({ lastGood, client, configuration }: Parts): Promise<void> {
  if (lastGood === undefined) return;
  await lastGood.restore((kind, resources) => client.resume(kind, resources));
  const { restoredMs } = lastGood;
  if (restoredMs !== undefined) configuration.backdate(Date.now() - restoredMs);
}

/** @throws ListenError */
async function bind(
  parts: Parts,
  { outbound, inbound, admin, metrics }: SidecarOptions,
): Promise<SidecarAddresses> {
  const addresses = {
    outbound: await parts.outbound.start(outbound),
    inbound: await parts.inbound.start(inbound),
    admin: await listen(parts.admin, 'administration (--admin)', admin.host, admin.port),
  };
  if (metrics === undefined) return addresses;
  const bound = await listen(parts.publicAdmin, 'metrics (--metrics)', metrics.host, metrics.port);
  return { ...addresses, metrics: bound };
}

/** Lets go of everything at once, started or not; nothing is left that would keep the process from ending. */
function release(parts: Parts): void {
  parts.drain.cancel();
  const { inbound, outbound, clock, delay, client, reporter, clusters, app, passthrough, mirrors } = parts;
  inbound.destroy();
  outbound.destroy();
  mirrors.close();
  clock.stop();
  delay.stop();
  client.close();
  reporter.close();
  clusters.close();
  app.retire();
  passthrough?.close();
  for (const server of [parts.admin, parts.publicAdmin]) {
    server.close();
    server.closeAllConnections();
  }
}

function assemble(options: SidecarOptions, log: Logger, output: LogOutput, onDrain: () => void): Parts {
  const { limits } = options;
  const clock = new CoarseClock(TICK_MS, (nowMs) => onTick(nowMs));
  const nowMs = () => clock.nowMs;
  const settings: UpstreamSettings = {
    limits,
    idleTimeoutMs: UPSTREAM_IDLE_MS,
    connectFailuresToEject: CONNECT_FAILURES_TO_EJECT,
    nowMs,
  };
  const resolve = resolveWithOverrides(options.resolve, resolveBySystem);
  const clusters = new ClusterRegistry(
    settings,
    new ReachabilityProber(),
    new HealthChecker(probeHealth),
    resolve,
    log.child({ component: 'upstream' }),
  );
  const discoveryLog = log.child({ component: 'discovery' });
  const configuration: MeshConfiguration = new MeshConfiguration({
    clusters,
    subscribe: (kind, names) => {
      client.subscribe(kind, names);
      lastGood?.wanted(kind, names);
    },
    nowMs,
    log: discoveryLog,
  });
  const lastGood = newLastGood(options, configuration, discoveryLog);
  const node = nodeOf(options);
  const security =
    options.security &&
    openChannelSecurity(options.security, options.controlPlane, (problem) =>
      discoveryLog.error({ problem }, 'the token cannot be read again; the one read last is used'),
    );
  const client: AdsClient = newAdsClient(options.xdsMode, {
    address: options.controlPlane,
    security: security ?? INSECURE,
    node,
    consumer: lastGood ?? configuration,
    log: discoveryLog,
  });

  const service = `${options.service.name}.${options.service.namespace}`;
  const samples = new RequestSamples(options.debugSample);
  const recorder = new RequestRecorder({
    service,
    release: options.release,
    level: options.accessLog,
    accessLog: new AccessLog(output.bulk, service),
    samples,
  });
  const table = new SessionTable(options.sessionTableSize, clock.nowMs);
  const pins = new SessionPins(table, nowMs);
  const ledger = new LoadLedger(clusters);
  const reporter = new LoadReporter({
    channel: controlPlaneChannel(options.controlPlane, security ?? INSECURE),
    node,
    waiting: () => configuration.waiting,
    collect: async () => ledger.take(await countPins(table, configuration.table, clock.nowMs)),
    log: discoveryLog,
  });
  const context = {
    get nowMs() {
      return clock.nowMs;
    },
    random: Math.random,
    findPin: pins.find.bind(pins),
  };
  const traces = new TraceMemory(nowMs);
  const passthrough = options.passthrough ? new PassthroughEndpoints(settings) : undefined;
  const actionCounts = new ActionCounts();
  const mirrors = new Mirrors(nowMs, Math.random);
  const services: OutboundServices = {
    table: () => configuration.table,
    pins,
    context,
    traces,
    passthrough,
    actionCounts,
    mirrors,
    newRequestId: requestIds(),
    onFinished: (exchange, forwarder) => recorder.outbound(exchange, forwarder),
  };
  const outbound = createOutboundListener({
    services,
    limits,
    context,
    nowMs,
    onRefused: (reply, caller) => recorder.refused('outbound', reply, caller),
  });
  const app = new UpstreamEndpoint(
    appEndpoint(options.app),
    2000,
    { ...settings, connectFailuresToEject: Number.POSITIVE_INFINITY },
    unwatched(),
  );
  const inbound = createInboundListener({
    services: {
      app,
      newRequestId: requestIds(),
      onArrived: (request) => traces.remember(request, configuration.table?.keySources ?? []),
      onFinished: (exchange) => recorder.inbound(exchange),
    },
    limits,
    nowMs,
    onRefused: (reply, caller) => recorder.refused('inbound', reply, caller),
  });
  const delay = new EventLoopDelay();
  const figures = new ProcessFigures(delay);
  const listenerOf = (direction: 'inbound' | 'outbound') => (direction === 'inbound' ? inbound : outbound);
  const drain = new Drain(inbound, outbound, {
    graceMs: options.drainGraceMs,
    timeoutMs: options.drainTimeoutMs,
  });
  const metrics = sidecarMetrics({
    recorder,
    actionCounts,
    clusters,
    process: figures,
    ready: () => configuration.table !== undefined,
    controlPlaneConnected: () => configuration.connected,
    configurationFromDisk: () => lastGood?.restoredMs !== undefined,
    configurationRevision: () => client.revision,
    configurationAgeMs: () => clock.nowMs - configuration.lastChangeMs,
    rejections: (type) => client.rejections[type],
    sessions: () => table.size,
    connections: (direction) => listenerOf(direction).connectionCount,
    activeRequests: (direction) => listenerOf(direction).busyCount,
    droppedLogLines: () => output.dropped,
  });
  const sources = {
    readiness: () =>
      readiness({
        draining: drain.begun,
        configuration,
        lastGood,
        controlPlane: options.controlPlane,
      }),
    scraper: new Scraper(metrics, () => figures.prepare()),
    samples,
    configDump: () => configuration.dump(),
    clientStatus: () => ({ config: [{ node, genericXdsConfigs: client.status.list() }] }),
    clusters: () => describeClusters(clusters),
    drain: onDrain,
  };

  function onTick(now: number): void {
    inbound.checkDeadlines(now);
    outbound.checkDeadlines(now);
    mirrors.checkDeadlines(now);
    app.closeIdle(now);
    clusters.tick(now);
    passthrough?.closeIdle(now);
    configuration.checkDeadlines(now);
    samples.onTick();
  }

  return {
    drain,
    clock,
    delay,
    clusters,
    app,
    passthrough,
    mirrors,
    configuration,
    lastGood,
    client,
    reporter,
    outbound,
    inbound,
    admin: createAdminServer(sources),
    publicAdmin: createAdminServer(sources),
  };
}

function newLastGood(
  { stateDir, service }: SidecarOptions,
  configuration: MeshConfiguration,
  log: Logger,
): LastGood | undefined {
  if (stateDir === '') return undefined;
  return new LastGood({
    directory: stateDir,
    service: `${service.name}.${service.namespace}`,
    consumer: configuration,
    isSettled: () => configuration.isSettled,
    nowMs: Date.now,
    log,
  });
}

function newAdsClient(mode: SidecarOptions['xdsMode'], options: AdsClientOptions): AdsClient {
  return mode === 'delta' ? new DeltaClient(options) : new SotwClient(options);
}

function appEndpoint({ host, port }: SocketAddress) {
  return { host, port, address: formatAddress(host, port), weight: 1, zone: '', status: 'healthy' } as const;
}
