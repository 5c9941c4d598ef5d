import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { ReflectionService } from '@grpc/reflection';
import { configServiceConstructor, loadApiDefinition } from '../src/api/config-service.js';
import { KubeClient } from '../src/kubernetes/kube-client.js';
import { listen } from '../src/lifecycle/listen.js';
import { Teardown } from '../src/lifecycle/teardown.js';
import type { SocketAddress } from '../src/model/formats.js';
import type { MeshService } from '../src/model/mesh-service.js';
import type { Problem } from '../src/model/problems.js';
import { isLoopback } from '../src/net/ip-address.js';
import { EventLoopDelay } from '../src/telemetry/event-loop-delay.js';
import type { Logger } from '../src/telemetry/logger.js';
import { ProcessFigures } from '../src/telemetry/process-metrics.js';
import { Scraper } from '../src/telemetry/scrape.js';
import { CSDS_SERVICE } from '../src/xds/client-status-service.js';
import { serviceDefinition } from '../src/xds/descriptors.js';
import { LRS_SERVICE } from '../src/xds/load-report.js';
import { Access, type AccessOptions } from './access/access.js';
import { AdsServer } from './ads/ads-server.js';
import { newAdsSource } from './ads/ads-source.js';
import type { AdsStream } from './ads/ads-stream.js';
import { clientStatusService } from './ads/client-status-service.js';
import { greetingOf } from './ads/greeting.js';
import { ConfigApi } from './api/config-api.js';
import { statusOf } from './api/status.js';
import { unapprovedClaims } from './api/unapproved-claims.js';
import { hasLiveEndpoints } from './endpoints/live-endpoint.js';
import { LiveEndpoints } from './endpoints/live-endpoints.js';
import { scopeOf } from './load/load-scope.js';
import { loadReportingService } from './load/load-service.js';
import { LoadStore } from './load/load-store.js';
import { SessionSurvey } from './load/session-survey.js';
import { controlPlaneMetrics } from './metrics.js';
import { ConnectionLimit, MAX_CONNECTIONS_PER_ADDRESS } from './ports/connection-limit.js';
import { GrpcPort } from './ports/grpc-port.js';
import { newGrpcServer } from './ports/grpc-server.js';
import { createHttpServer, type Readiness } from './ports/http-server.js';
import { OpenCalls } from './ports/open-calls.js';
import { ReplicaReporter } from './replicas/replica-reporter.js';
import { PinCounts } from './sessions/pin-counts.js';
import type { SessionHub } from './sessions/session-hub.js';
import { sessionService, sessionServiceDefinition } from './sessions/session-service.js';
import { advertised, replicaOf, sessionHubOf, shareWithReplicas } from './sessions/session-sharing.js';
import { ChangeLog } from './snapshot/change-log.js';
import { PreparedResources } from './snapshot/prepared-resources.js';
import { SnapshotPublisher, translateContext } from './snapshot/publisher.js';
import { Snapshot } from './snapshot/snapshot.js';
import type { ConfigSource } from './source/config-source.js';
import { openSources, type SourceOptions } from './source/open-sources.js';
import { MemoryBackend, type StoreBackend } from './store/backend.js';
import { emptyState } from './store/config-state.js';
import { ConfigStore } from './store/config-store.js';
import { OPERATOR } from './store/editor.js';
import { EtcdBackend } from './store/etcd/etcd-backend.js';
import type { EtcdOptions } from './store/etcd/etcd-options.js';
import { FileBackend } from './store/file/file-backend.js';
import { storeCheck } from './webhook/store-check.js';
import { Webhook, type WebhookOptions } from './webhook/webhook.js';

export interface ControlPlaneOptions extends AccessOptions, SourceOptions {
  /** Plain text; undefined: not at all. */
  readonly grpc: SocketAddress | undefined;
  /** Used with `tls`. */
  readonly grpcTls?: SocketAddress | undefined;
  /** Largest message taken. */
  readonly maxMessageBytes?: number | undefined;
  /** Most connections from one address. */
  readonly connectionsPerAddress?: number | undefined;
  readonly http: SocketAddress;
  /** Empty: configuration is kept in memory only, unless it is in etcd. */
  readonly dataDir: string;
  /** Keeps configuration in etcd, for several control planes; not with `dataDir`. */
  readonly etcd?: EtcdOptions | undefined;
  /** Clients are to drop what they have from another store and is not known here; absent: they keep it. */
  readonly replaceUnknown?: boolean;
  /** What status calls this control plane; absent or empty: by its host's name. */
  readonly replica?: string;
  /** Where the other control planes over the store reach this one; absent or empty: as it is bound. */
  readonly advertise?: string;
  /** CA of the other control planes' certificates; absent or empty: they are reached in plain text. */
  readonly replicaCa?: string;
  /** Injection and validation for Kubernetes; absent: neither. */
  readonly webhook?: WebhookOptions | undefined;
  /** How often sidecars report load; without it, every 5 s. */
  readonly loadReportInterval?: number;
}

/** How long things take that no operator sets. */
export interface ControlPlaneTiming {
  /** How long clusters and load assignments are served on after the configuration has dropped them. */
  readonly lingerMs: number;
  /** A client that takes nothing of what it is sent for this long is cut off. */
  readonly stalledAfterMs: number;
}

const TIMING: ControlPlaneTiming = { lingerMs: 10_000, stalledAfterMs: 60_000 };
const LOAD_REPORT_INTERVAL_MS = 5000;

const SHUTDOWN_MS = 2000;

/** A running control plane. Made by {@link ControlPlane.start}, which alone puts its parts together. */
export class ControlPlane {
  /** Addresses as bound; empty where there is no such port. */
  grpcAddress = '';
  grpcTlsAddress = '';
  httpAddress = '';
  webhookAddress = '';
  private readonly teardown = new Teardown();
  private readonly prepared = new PreparedResources();
  private readonly endpoints = new LiveEndpoints();
  private stopping = false;

  private constructor(
    private readonly options: ControlPlaneOptions,
    private readonly log: Logger,
    private readonly timing: ControlPlaneTiming,
  ) {}

  /**
   * Starts everything or nothing.
   *
   * @throws ListenError, InvalidSourcesError, InvalidCredentialsError, or what the data directory or a certificate says.
   */
  static async start(
    options: ControlPlaneOptions,
    log: Logger,
    timing: Partial<ControlPlaneTiming> = {},
  ): Promise<ControlPlane> {
    const controlPlane = new ControlPlane(options, log, { ...TIMING, ...timing });
    try {
      await controlPlane.open();
      return controlPlane;
    } catch (error) {
      await controlPlane.teardown.run();
      throw error;
    }
  }

  /** Lets clients go, finishes what is being written, and stops. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.teardown.run();
    this.log.info('control plane has stopped');
  }

  private async open(): Promise<void> {
    const { options, log, teardown } = this;
    const access: Access = new Access(options, () => grpc.port, log.child({ component: 'access' }));
    teardown.add(() => access.close());
    const store = await openStore(options, this.prepared, log);
    teardown.add(() => store.close());
    const as = this.asksForCredentials ? OPERATOR : undefined;
    const sources = await openSources(options, { store, endpoints: this.endpoints, log, as });
    teardown.add(() => sources.close());
    this.warnOfClaims(store);
    const { snapshot, sessions, grpc } = this.serveGrpc(store, sources, access);
    const readiness = () => this.readiness(store, snapshot, sources);
    const delay = new EventLoopDelay();
    teardown.add(() => delay.stop());
    const figures = new ProcessFigures(delay);
    const metrics = controlPlaneMetrics({
      store,
      sources,
      ads: grpc.ads,
      sessions,
      access,
      process: figures,
    });
    const http = createHttpServer(readiness, new Scraper(metrics, () => figures.prepare()));
    teardown.add(() => http.close() && http.closeAllConnections());
    this.httpAddress = await listen(http, 'HTTP (--http)', options.http.host, options.http.port);
    teardown.add(() => grpc.close());
    await this.listenGrpc(grpc.port, access);
    this.shareSessions(store, sessions, grpc.reporter);
    await this.serveWebhook(store);
    sources.watch();
    access.start();
    const { revision, services } = store.current;
    const tls = this.grpcTlsAddress === '' ? {} : { grpcTls: this.grpcTlsAddress };
    log.info(
      { grpc: this.grpcAddress, ...tls, http: this.httpAddress, revision, services: services.size },
      'control plane is ready',
    );
  }

  /**
   * A control plane whose store does not answer, or whose files are broken, serves what it knows: that is as ready as
   * it can be, and sidecars are better off with it than without. The text says what is wrong.
   */
  private readiness(store: ConfigStore, snapshot: Snapshot, sources: ConfigSource): Readiness {
    if (this.stopping) return { ready: false, text: 'shutting down' };
    if (snapshot.revision !== store.current.revision) return { ready: false, text: 'loading' };
    const broken = sources.problems.length;
    const text = [
      'ready',
      ...(store.problem === undefined ? [] : [`changes are refused: ${store.problem}`]),
      ...(broken === 0
        ? []
        : [`configuration files are not in force ("roost status" says why), problems: ${broken}`]),
    ];
    return { ready: true, text: text.join(', ') };
  }

  private async listenGrpc(port: GrpcPort, { tls }: Access): Promise<void> {
    const { grpc, grpcTls } = this.options;
    if (grpc !== undefined) {
      this.grpcAddress = await port.listen(grpc);
      if (!isLoopback(grpc.host)) this.warnOfPlainText();
    }
    if (tls !== undefined && grpcTls !== undefined) this.grpcTlsAddress = await port.listenTls(grpcTls, tls);
  }

  private async serveWebhook(store: ConfigStore): Promise<void> {
    const { webhook: options } = this.options;
    if (options === undefined) return;
    const log = this.log.child({ component: 'webhook' });
    const webhook = new Webhook(options, {
      log,
      check: storeCheck(store, log),
      api: () => KubeClient.inCluster(),
    });
    this.teardown.add(() => webhook.close());
    await webhook.start();
    this.webhookAddress = webhook.address;
  }

  /** Pins of sessions go to the other control planes over the store, and come from them. */
  private shareSessions(store: ConfigStore, hub: SessionHub, reporter: ReplicaReporter): void {
    const { advertise, replicaCa: ca = '' } = this.options;
    const bound = ca === '' ? this.grpcAddress : this.grpcTlsAddress;
    reporter.share(advertise || (bound === '' ? '' : advertised(bound)));
    const { asksForCredentials } = this;
    const log = this.log.child({ component: 'sessions' });
    const links = shareWithReplicas({ hub, store, name: this.replicaName, ca, asksForCredentials, log });
    this.teardown.add(() => links.close());
  }

  private get replicaName(): string {
    return this.options.replica || hostname();
  }

  /** Files are all there is where nothing else is kept: what they do not have is to go. */
  private get replaces(): boolean {
    const { replaceUnknown = false, config, dataDir, etcd } = this.options;
    return replaceUnknown || (config.length > 0 && dataDir === '' && etcd === undefined);
  }

  /** After a restore this is another store, or the old one again: clients come back and are told. */
  private regreet(store: ConfigStore, ads: AdsServer): void {
    let { pinSecret } = store.current;
    store.on('change', (configuration) => {
      if (configuration.pinSecret.equals(pinSecret)) return;
      pinSecret = configuration.pinSecret;
      ads.endAll();
    });
  }

  private get asksForCredentials(): boolean {
    return Boolean(this.options.tokens);
  }

  /** What was stored before grants were kept, or where callers needed no credentials. */
  private warnOfClaims(store: ConfigStore): void {
    if (!this.asksForCredentials) return;
    const claims = unapprovedClaims(store.current);
    if (claims.length > 0)
      this.log.warn(
        { claims },
        'services claim what no admin of all namespaces has approved (docs/tenancy.md)',
      );
  }

  private warnOfPlainText(): void {
    const { asksForCredentials } = this;
    const problem = asksForCredentials
      ? 'tokens and configuration travel in plain text (--grpc off leaves TLS alone)'
      : 'every client that reaches it may change everything (--tokens asks for credentials)';
    this.log.warn({ grpc: this.grpcAddress }, `the gRPC port is open to the network: ${problem}`);
  }

  private serveGrpc(store: ConfigStore, sources: ConfigSource, access: Access) {
    const { log, timing, endpoints } = this;
    const snapshot = new Snapshot((service, context) => this.prepared.take(service, context));
    const changes = new ChangeLog();
    const server = newGrpcServer(access.guard, this.options.maxMessageBytes);
    const { connectionsPerAddress = MAX_CONNECTIONS_PER_ADDRESS } = this.options;
    const port = new GrpcPort(server, new ConnectionLimit(connectionsPerAddress, log));
    const source = newAdsSource<AdsStream>(snapshot, changes);
    const ads = new AdsServer({
      source,
      log: log.child({ component: 'ads' }),
      greeting: () => greetingOf(store.current, this.replaces),
      disconnect: (peer) => port.disconnect(peer),
      stalledAfterMs: timing.stalledAfterMs,
    });
    const replica = this.replicaName;
    const reporter = new ReplicaReporter({
      name: replica,
      ads,
      presence: store.presence,
      revision: () => snapshot.revision,
    });
    const publisher = new SnapshotPublisher({
      store,
      endpoints,
      snapshot,
      changes,
      lingerMs: timing.lingerMs,
      nowMs: Date.now,
      slowestSequence: () => ads.slowestSequence,
      onPublished: () => {
        ads.pushChanges();
        reporter.changed();
      },
    });
    this.regreet(store, ads);
    const [load, survey] = [new LoadStore(undefined, scopeOf(store)), new SessionSurvey()];
    const sessions = sessionHubOf(store);
    const pins = new PinCounts(sessions, () => translateContext(store.current, endpoints));
    access.guard.knowReplicas((token) => replicaOf(token, store));
    const open = new OpenCalls();
    const { loadReportInterval = LOAD_REPORT_INTERVAL_MS } = this.options;
    const definition = loadApiDefinition();
    const api = new ConfigApi({
      store,
      endpoints,
      ads,
      definition,
      survey,
      sessions,
      log: log.child({ component: 'api' }),
      editorOf: (call) => access.guard.editorOf(call),
      status: (visible) =>
        statusOf(
          {
            store,
            ads,
            source,
            sources,
            load,
            pins,
            sessions,
            replica,
            asksForCredentials: this.asksForCredentials,
          },
          visible,
        ),
    });
    server.addService(ads.definition, ads.implementation);
    server.addService(serviceDefinition(CSDS_SERVICE), clientStatusService(ads, source, open));
    const loads = loadReportingService(load, loadReportInterval, survey, open);
    server.addService(serviceDefinition(LRS_SERVICE), loads);
    server.addService(sessionServiceDefinition(), sessionService(sessions, open));
    server.addService(configServiceConstructor(definition).service, api.implementation);
    new ReflectionService(definition).addToServer(server);
    const close = async () => {
      reporter.close();
      sessions.close();
      // First those who wait for clients: clients that leave now have not answered.
      api.closeStreams();
      ads.closeAll();
      open.endAll();
      await port.close(SHUTDOWN_MS);
      publisher.close();
    };
    return { snapshot, sessions, grpc: { ads, port, reporter, close } };
  }
}

async function openStore(
  options: ControlPlaneOptions,
  prepared: PreparedResources,
  log: Logger,
): Promise<ConfigStore> {
  const storeLog = log.child({ component: 'store' });
  const unfollowed = options.kubernetes === undefined ? releasesOfKubernetes : () => [];
  return ConfigStore.open(await openBackend(options, storeLog), storeLog, (service, context) => [
    ...unfollowed(service),
    ...prepared.prepare(service, context),
  ]);
}

/** Releases whose endpoints only Kubernetes knows, for a control plane that does not follow it. */
function releasesOfKubernetes({ spec }: MeshService): Problem[] {
  return spec.versions.flatMap((version, index) => {
    if (!hasLiveEndpoints(version)) return [];
    const field = version.service === undefined ? 'selector' : 'service';
    const message =
      'needs a control plane that follows Kubernetes: start it with --kubernetes, or write endpoints or dns instead';
    return [{ path: ['spec', 'versions', index, field], message }];
  });
}

async function openBackend({ dataDir, etcd }: ControlPlaneOptions, log: Logger): Promise<StoreBackend> {
  if (etcd !== undefined) return EtcdBackend.open(etcd, log);
  if (dataDir !== '') return FileBackend.open(dataDir, log);
  log.warn(
    'no --data-dir and no --store: what the API changes, and the sessions that pins hold, last only as long as this process',
  );
  return new MemoryBackend(emptyState(randomBytes(32)));
}
