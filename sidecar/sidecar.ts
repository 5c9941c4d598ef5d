import type { Server as HttpServer } from 'node:http';
import { CoarseClock } from '../src/lifecycle/coarse-clock.js';
import { listen } from '../src/lifecycle/listen.js';
import { EventLoopDelay } from '../src/telemetry/event-loop-delay.js';
import type { LogOutput } from '../src/telemetry/log-output.js';
import type { Logger } from '../src/telemetry/logger.js';
import { ProcessFigures } from '../src/telemetry/process-metrics.js';
import { Scraper } from '../src/telemetry/scrape.js';
import { formatAddress } from '../src/xds/fields.js';
import { AccessLog } from './admin/access-log.js';
import { ActionCounts } from './admin/action-counts.js';
import { type AdminSources, createAdminServer } from './admin/admin-server.js';
import { describeClusters } from './admin/describe-clusters.js';
import { sidecarMetrics } from './admin/metrics.js';
import { readiness } from './admin/readiness.js';
import { RequestRecorder } from './admin/request-recorder.js';
import { RequestSamples } from './admin/request-samples.js';
import { assembleDataPath, type DataPath } from './assembly/data-path.js';
import { assembleDiscovery, type Discovery } from './assembly/discovery.js';
import { assembleUpstreams, type Upstreams } from './assembly/upstreams.js';
import { Drain } from './drain.js';
import type { SidecarOptions } from './options.js';
import { SessionTable } from './session/session-table.js';
import type { ClusterRegistry } from './upstream/cluster-registry.js';
import type { UpstreamSettings } from './upstream/upstream-endpoint.js';

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

interface Parts extends Discovery, DataPath, Upstreams {
  readonly drain: Drain;
  readonly clock: CoarseClock;
  readonly delay: EventLoopDelay;
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
  const { inbound, outbound, clock, delay, client, reporter, app, passthrough, mirrors } = parts;
  const { clusters, prober, checker } = parts;
  inbound.destroy();
  outbound.destroy();
  mirrors.close();
  clock.stop();
  delay.stop();
  client.close();
  reporter.close();
  prober.close();
  checker.close();
  clusters.close();
  app.retire();
  passthrough?.close();
  for (const server of [parts.admin, parts.publicAdmin]) {
    server.close();
    server.closeAllConnections();
  }
}

function assemble(options: SidecarOptions, log: Logger, output: LogOutput, onDrain: () => void): Parts {
  const clock = new CoarseClock(TICK_MS, (nowMs) => onTick(nowMs));
  const nowMs = () => clock.nowMs;
  const settings: UpstreamSettings = {
    limits: options.limits,
    idleTimeoutMs: UPSTREAM_IDLE_MS,
    connectFailuresToEject: CONNECT_FAILURES_TO_EJECT,
    nowMs,
  };
  const upstreams = assembleUpstreams(options, settings, log.child({ component: 'upstream' }));
  const { clusters, checker } = upstreams;
  const sessions = new SessionTable(options.sessionTableSize, clock.nowMs);
  const discovery = assembleDiscovery(
    options,
    clusters,
    sessions,
    nowMs,
    log.child({ component: 'discovery' }),
  );
  const { configuration } = discovery;
  const samples = new RequestSamples(options.debugSample);
  const recorder = newRecorder(options, output, samples);
  const actionCounts = new ActionCounts();
  const dataPath = assembleDataPath({ options, settings, configuration, sessions, recorder, actionCounts });
  const { inbound, outbound, app, mirrors, passthrough } = dataPath;
  const drain = new Drain(inbound, outbound, {
    graceMs: options.drainGraceMs,
    timeoutMs: options.drainTimeoutMs,
  });
  const delay = new EventLoopDelay();
  const own = { clock, delay, drain, clusters, sessions, samples, recorder, actionCounts, output };
  const sources = adminSources(options, { ...discovery, ...dataPath, ...own }, onDrain);

  function onTick(now: number): void {
    inbound.checkDeadlines(now);
    outbound.checkDeadlines(now);
    mirrors.checkDeadlines(now);
    app.closeIdle(now);
    clusters.tick(now, checker);
    passthrough?.closeIdle(now);
    const overdue = configuration.overdue(now);
    if (overdue.length > 0) configuration.stopWaiting(overdue);
    samples.onTick();
  }

  const [admin, publicAdmin] = [createAdminServer(sources), createAdminServer(sources)];
  return { ...discovery, ...dataPath, ...upstreams, drain, clock, delay, admin, publicAdmin };
}

function newRecorder(options: SidecarOptions, output: LogOutput, samples: RequestSamples): RequestRecorder {
  const service = `${options.service.name}.${options.service.namespace}`;
  return new RequestRecorder({
    service,
    release: options.release,
    level: options.accessLog,
    accessLog: new AccessLog(output.bulk, service),
    samples,
  });
}

/** What the administration shows. */
interface Shown extends Discovery, DataPath {
  readonly clock: CoarseClock;
  readonly delay: EventLoopDelay;
  readonly drain: Drain;
  readonly clusters: ClusterRegistry;
  readonly sessions: SessionTable;
  readonly samples: RequestSamples;
  readonly recorder: RequestRecorder;
  readonly actionCounts: ActionCounts;
  readonly output: LogOutput;
}

function adminSources(options: SidecarOptions, shown: Shown, onDrain: () => void): AdminSources {
  const { configuration, client, lastGood, clusters, drain, samples, node } = shown;
  const figures = new ProcessFigures(shown.delay);
  const listenerOf = (direction: 'inbound' | 'outbound') => shown[direction];
  const metrics = sidecarMetrics({
    recorder: shown.recorder,
    actionCounts: shown.actionCounts,
    clusters,
    process: figures,
    ready: () => configuration.table !== undefined,
    controlPlaneConnected: () => configuration.connected,
    configurationFromDisk: () => lastGood?.restoredMs !== undefined,
    configurationRevision: () => client.revision,
    configurationAgeMs: () => shown.clock.nowMs - configuration.lastChangeMs,
    rejections: (type) => client.rejections[type],
    sessions: () => shown.sessions.size,
    connections: (direction) => listenerOf(direction).connectionCount,
    activeRequests: (direction) => listenerOf(direction).busyCount,
    droppedLogLines: () => shown.output.dropped,
  });
  const { controlPlane } = options;
  return {
    readiness: () => readiness({ draining: drain.begun, configuration, lastGood, controlPlane }),
    scraper: new Scraper(metrics, () => figures.prepare()),
    samples,
    configDump: () => configuration.dump(),
    clientStatus: () => ({ config: [{ node, genericXdsConfigs: client.status.list() }] }),
    clusters: () => describeClusters(clusters),
    drain: onDrain,
  };
}
