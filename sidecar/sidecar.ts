import type { Server as HttpServer } from 'node:http';
import { CoarseClock } from '../src/lifecycle/coarse-clock.js';
import { ListenError, listen } from '../src/lifecycle/listen.js';
import { type SocketAddress, splitHostPort } from '../src/model/formats.js';
import { formatAddress } from '../src/net/ip-address.js';
import type { LogOutput } from '../src/telemetry/log-output.js';
import type { Logger } from '../src/telemetry/logger.js';
import { adminWarning } from './admin/admin-guard.js';
import { createAdminServer, createProbeServer } from './admin/admin-server.js';
import { ClientStatusServer, type ClientStatusSource } from './admin/client-status-server.js';
import { type AdminActions, adminSources } from './assembly/administration.js';
import { assembleDiscovery, type Discovery } from './assembly/discovery.js';
import { Drain } from './assembly/drain.js';
import { NoOtherWorkers, type OtherWorkers } from './assembly/other-workers.js';
import { assembleSharing, type SettlingPins } from './assembly/sharing.js';
import type { SidecarOptions } from './assembly/sidecar-options.js';
import { assembleUpstreams, type Upstreams } from './assembly/upstreams.js';
import {
  assembleWorkerParts,
  releaseWorkerParts,
  TICK_MS,
  tickWorkerParts,
  upstreamSettings,
  type WorkerParts,
} from './assembly/worker-parts.js';
import { AppRefusals } from './http/app-refusal.js';
import { Heartbeat } from './intercept/heartbeat.js';
import type { OwnListener, OwnPorts } from './outbound/own-ports.js';
import { FailoverEpisodes } from './records/failover-episodes.js';
import type { NewFailovers } from './records/failovers.js';
import { countPins } from './session/pin-census.js';
import { SessionFile } from './session/session-file.js';
import { surveySessions } from './session/session-survey.js';
import type { SessionTable } from './session/session-table.js';
import type { PinSharing } from './session/sharing/pin-sharing.js';
import type { openSessionStore } from './session/store/open-session-store.js';
import type { SessionStore } from './session/store/session-store.js';

/** Where a sidecar listens; `metrics` only where it was asked for. */
export interface SidecarAddresses {
  readonly outbound: string;
  readonly inbound: string;
  readonly admin: string;
  readonly metrics?: string;
  readonly csds?: string;
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
   * @throws ListenError, OperatorError where a file of credentials cannot be used, or workers cannot be had
   */
  static async start(options: SidecarOptions, log: Logger, output: LogOutput): Promise<Sidecar> {
    const others = await otherWorkers(options);
    const actions = {
      drain: () => sidecar?.drain(),
      serveAgain: async () => sidecar?.serveAgain(),
    };
    const openStore = await sessionStoreOpener(options);
    const parts = assemble({ options, log, output, others, openStore, actions });
    let sidecar: Sidecar | undefined;
    parts.configuration.start();
    const addresses = await prepare(parts, options, log).catch(async (error: unknown) => {
      await release(parts);
      throw error;
    });
    parts.client.start();
    parts.reporter.start();
    parts.sharing.start();
    sidecar = new Sidecar(parts, addresses, log);
    if (options.intercept) parts.heartbeat = new Heartbeat(splitHostPort(addresses.outbound)?.port ?? 0);
    log.info(
      { ...addresses, app: formatAddress(options.app.host, options.app.port) },
      'sidecar is listening',
    );
    const warning = adminWarning(addresses.admin);
    if (warning !== undefined) log.warn({ admin: addresses.admin }, warning);
    return sidecar;
  }

  /** Fails `/ready`, and goes as far as {@link Drain} goes without ending anything that is under way. */
  drain(): void {
    if (this.parts.drain.begun) return;
    this.log.info('draining');
    this.parts.drain.begin();
  }

  /** Takes {@link drain} back. @returns why that cannot be done; undefined: it is ready again */
  async serveAgain(): Promise<string | undefined> {
    const { drain } = this.parts;
    if (!drain.begun) return undefined;
    try {
      if (!(await drain.revoke())) return 'the sidecar is stopping: start it again';
    } catch (error) {
      if (error instanceof ListenError) return error.message;
      throw error;
    }
    this.log.info('serving again');
    return undefined;
  }

  /** Cuts off what {@link stop} waits for. */
  hurry(): void {
    this.log.info('cutting off what is left');
    this.parts.drain.cancel();
  }

  /** Finishes what is under way, for a bounded time, and stops. */
  async stop(): Promise<void> {
    this.drain();
    await this.parts.drain.finish();
    await this.parts.others.finish(this.log);
    await this.parts.lastGood?.close();
    await this.parts.sessionFile?.close();
    await release(this.parts);
    this.log.info('sidecar has stopped');
  }
}

interface Parts extends Discovery, WorkerParts, Upstreams {
  readonly clusters: Upstreams['clusters'];
  readonly drain: Drain;
  readonly episodes: FailoverEpisodes;
  readonly clock: CoarseClock;
  readonly ownPorts: OwnPorts;
  readonly admin: HttpServer;
  readonly probes: HttpServer;
  readonly clientStatus: ClientStatusServer | undefined;
  readonly others: OtherWorkers;
  readonly sharing: PinSharing;
  /** Where a directory was named to keep it in. */
  readonly sessionFile: SessionFile | undefined;
  readonly fleetPins: SettlingPins;
  readonly store: SessionStore | undefined;
  /** While it listens, where connections are redirected to it. */
  heartbeat?: Heartbeat;
}

/** Starts the other workers, takes what is on disk before the first request can arrive, and listens. */
async function prepare(parts: Parts, options: SidecarOptions, log: Logger): Promise<SidecarAddresses> {
  const { others, clusters, configuration, onDemand, fleetPins, output, episodes, clock } = parts;
  const onFailovers = (news: readonly NewFailovers[]) => episodes.note(news, clock.nowMs);
  await others.start({ clusters, configuration, onDemand, fleetPins, output, log, onFailovers });
  await restore(parts);
  await parts.sessionFile?.restore();
  parts.sessionFile?.start();
  if (parts.lastGood?.restoredMs !== undefined) parts.fleetPins.settle();
  return bind(parts, options);
}

/** Starts from the last good configuration on disk, where there is one. */
async function restore({ lastGood, client, configuration }: Parts): Promise<void> {
  if (lastGood === undefined) return;
  await lastGood.restore(
    (kind, resources) => client.resume(kind, resources),
    (origin) => client.resumeOrigin(origin),
  );
  const { restoredMs } = lastGood;
  if (restoredMs !== undefined) configuration.backdate(Date.now() - restoredMs);
}

/** @throws ListenError */
async function bind(parts: Parts, options: SidecarOptions): Promise<SidecarAddresses> {
  const { others, ownPorts, probes, clientStatus } = parts;
  const { admin, metrics, csds } = options;
  const start = (direction: 'outbound' | 'inbound') => {
    const [own, wanted] = [parts[direction], options[direction]];
    return others.bind(own, wanted, direction);
  };
  const noted = async (listener: OwnListener, starting: Promise<string>) => {
    const address = await starting;
    ownPorts.note(listener, address);
    return address;
  };
  const serve = (server: HttpServer, what: string, { host, port }: SocketAddress) =>
    listen(server, what, host, port);
  return {
    outbound: await noted('outbound', start('outbound')),
    inbound: await start('inbound'),
    admin: await noted('admin', serve(parts.admin, 'administration (--admin)', admin)),
    ...(metrics && { metrics: await noted('metrics', serve(probes, 'metrics (--metrics)', metrics)) }),
    ...(csds && clientStatus && { csds: await noted('csds', clientStatus.start(csds)) }),
  };
}

/** Lets go of everything at once, started or not; nothing is left that would keep the process from ending. */
async function release(parts: Parts): Promise<void> {
  parts.drain.cancel();
  parts.heartbeat?.stop();
  const { clock, client, reporter, prober, checker } = parts;
  clock.stop();
  client.close();
  parts.sharing.close();
  reporter.close();
  prober.close();
  checker.close();
  releaseWorkerParts(parts);
  parts.clientStatus?.close();
  for (const server of [parts.admin, parts.probes]) {
    server.close();
    server.closeAllConnections();
  }
  await parts.store?.close();
  await parts.others.close();
}

/** Threads are loaded only where there are to be any. @throws OperatorError */
async function otherWorkers(options: SidecarOptions): Promise<OtherWorkers> {
  if (options.workers === 1)
    return new NoOtherWorkers(options.sessionTableSize, Math.floor(performance.now()));
  const { WorkerThreads } = await import('./workers/worker-threads.js');
  return new WorkerThreads(options);
}

/** Loaded only where there is to be one. */
async function sessionStoreOpener({ sessionStore }: SidecarOptions): Promise<Assembly['openStore']> {
  if (sessionStore === undefined) return undefined;
  return (await import('./session/store/open-session-store.js')).openSessionStore;
}

function newSessionFile(
  { stateDir, service }: SidecarOptions,
  table: SessionTable,
  nowMs: () => number,
  log: Logger,
): SessionFile | undefined {
  if (stateDir === '') return undefined;
  const name = `${service.name}.${service.namespace}`;
  return new SessionFile({ directory: stateDir, service: name, table, nowMs, wallMs: Date.now, log });
}

interface Assembly {
  readonly options: SidecarOptions;
  readonly log: Logger;
  readonly output: LogOutput;
  readonly others: OtherWorkers;
  readonly openStore: typeof openSessionStore | undefined;
  readonly actions: AdminActions;
}

function assemble({ options, log, output, others, openStore, actions }: Assembly): Parts {
  const clock = new CoarseClock(TICK_MS);
  const nowMs = () => clock.nowMs;
  const settings = upstreamSettings(options, nowMs);
  const { state } = others;
  const { sessions, seenInCookies, counts, ownPorts } = state;
  const ofUpstream = log.child({ component: 'upstream' });
  const upstreams = assembleUpstreams({ options, settings, counts, others, log: ofUpstream });
  const { clusters, checker } = upstreams;
  const ofDiscovery = log.child({ component: 'discovery' });
  const refusals = new AppRefusals();
  const ofAll = { options, clusters, others, refusals };
  const discovery = assembleDiscovery({
    ...{ ...ofAll, nowMs, collectLoad, log: ofDiscovery },
    surveySessions: (question) => surveySessions([sessions, seenInCookies], question, clock.nowMs),
  });
  const { configuration, onDemand } = discovery;
  const { sharing, fleetPins, store } = assembleSharing({
    ...{ ...discovery, options, sessions, clusters, views: upstreams.views, openStore, nowMs },
    log: log.child({ component: 'sessions' }),
  });
  const ofRequests = log.child({ component: 'requests' });
  const episodes = new FailoverEpisodes({ log: ofRequests, isUsable: (name) => isUsable(clusters, name) });
  const worker = assembleWorkerParts({
    ...{ number: 1, options, settings, state, clusters, output, onDemand, refusals, fleetPins },
    warn: (fields, message) => ofRequests.warn(fields, message),
    onFailovers: (news) => episodes.note(news, clock.nowMs),
    table: () => configuration.table,
    noteUse: (host) => {
      const routes = configuration.routesOf(host);
      if (routes !== undefined) configuration.noteUse(routes);
    },
  });
  const { inbound, outbound } = worker;
  const drain = new Drain(others.listener(inbound, 'inbound'), others.listener(outbound, 'outbound'), {
    graceMs: options.drainGraceMs,
    timeoutMs: options.drainTimeoutMs,
  });
  const shown = { ...discovery, ...worker, sessions, sharing, fleetPins, store, drain, others, nowMs };
  const sources = adminSources(shown, actions);

  clock.onTick = (now) => {
    tickWorkerParts(worker, now);
    episodes.onTick(now);
    clusters.tick(now, checker);
    discovery.client.checkDeadlines(now);
    const overdue = configuration.checkDeadlines(now);
    if (overdue.length > 0) others.onOverdue(overdue);
    if (fleetPins !== sharing) fleetPins.tick();
    sharing.tick();
  };

  async function collectLoad() {
    // What is shared the control plane counts itself, each session once.
    const pins =
      sharing.isConnected && store === undefined
        ? new Map()
        : await countPins(sessions, configuration.table, clock.nowMs);
    const own = worker.ledger.take(pins);
    return others.load(own);
  }

  const [admin, probes] = [
    createAdminServer(sources, options.admin.host),
    createProbeServer(sources, options.tcpProbes),
  ];
  const clientStatus = options.csds && new ClientStatusServer(statusOf(discovery));
  const servers = { admin, probes, clientStatus };
  const sessionFile = newSessionFile(options, sessions, nowMs, log.child({ component: 'sessions' }));
  const own = { drain, episodes, clock, ownPorts, others, sharing, fleetPins, store, sessionFile };
  return { ...discovery, ...worker, ...upstreams, ...servers, ...own };
}

/** Undefined: nothing names such a cluster any more. */
function isUsable(clusters: Upstreams['clusters'], name: string): boolean | undefined {
  const cluster = clusters.find(name);
  return cluster && cluster.endpoints.usableCount > 0;
}

function statusOf({ node, client }: Discovery): ClientStatusSource {
  return {
    id: (node as { readonly id: string }).id,
    config: () => ({ node, genericXdsConfigs: client.status.messages() }),
  };
}
