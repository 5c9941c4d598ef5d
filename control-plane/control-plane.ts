import { randomBytes } from 'node:crypto';
import type { Server as HttpServer } from 'node:http';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { configServiceConstructor, loadApiDefinition } from '../src/api/config-service.js';
import { ListenError, listen } from '../src/lifecycle/listen.js';
import type { MeshService, ServiceKey } from '../src/model/mesh-service.js';
import type { SocketAddress } from '../src/model/scalars.js';
import type { Logger } from '../src/telemetry/logger.js';
import { serviceDefinition } from '../src/xds/descriptors.js';
import { formatAddress } from '../src/xds/fields.js';
import { LRS_SERVICE } from '../src/xds/load-report.js';
import { ADS_SERVICE } from '../src/xds/resource-types.js';
import { AdsServer } from './ads/ads-server.js';
import { configApi } from './api/config-api.js';
import { statusOf } from './api/status.js';
import { createHttpServer } from './http-server.js';
import { loadReportingService } from './load/load-service.js';
import { LoadStore } from './load/load-store.js';
import { controlPlaneMetrics } from './metrics.js';
import { ChangeLog } from './snapshot/change-log.js';
import { Snapshot } from './snapshot/snapshot.js';
import { FileSource } from './source/file-source.js';
import { MemoryBackend, type StoreBackend } from './store/backend.js';
import { ConfigStore, type Configuration, incarnationOf } from './store/config-store.js';
import { FileBackend } from './store/file-backend.js';
import type { TranslateContext } from './translate/policy.js';

export interface ControlPlaneOptions {
  readonly grpc: SocketAddress;
  readonly http: SocketAddress;
  /** Files and folders of configuration. */
  readonly config: readonly string[];
  /** Empty: configuration is kept in memory only. */
  readonly dataDir: string;
}

/** The configuration files are not valid and there is nothing else to serve. */
export class InvalidFilesError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'InvalidFilesError';
  }
}

/** Largest message taken: a whole mesh in one `apply`. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
const SHUTDOWN_MS = 2000;
/** How long clusters and endpoints are served on after the configuration has dropped them. */
const LINGER_MS = 10_000;

/** A running control plane. Made by {@link ControlPlane.start}, which alone puts its parts together. */
export class ControlPlane {
  private constructor(
    private readonly parts: {
      readonly store: ConfigStore;
      readonly ads: AdsServer;
      readonly grpc: Server;
      readonly http: HttpServer;
      readonly files: FileSource | undefined;
      readonly log: Logger;
    },
    /** Addresses as bound. */
    readonly grpcAddress: string,
    readonly httpAddress: string,
  ) {}

  /** @throws ListenError, InvalidFilesError, or what the data directory says. */
  static async start(options: ControlPlaneOptions, log: Logger): Promise<ControlPlane> {
    const store = await ConfigStore.open(await openBackend(options, log), log.child({ component: 'store' }));
    const files = await loadFiles(options, store, log);
    const { snapshot, ads } = serveSnapshots(store, log);
    const storeName = options.dataDir || 'memory';
    const grpc = grpcServer(store, ads, () => statusOf({ store, ads, files, storeName }));
    const http = createHttpServer(
      () => snapshot.revision === store.current.revision,
      controlPlaneMetrics({ store, ads }),
    );
    const httpAddress = await listen(http, 'HTTP (--http)', options.http.host, options.http.port);
    const grpcAddress = await bindGrpc(grpc, options.grpc);
    files?.watch();
    const { revision, services } = store.current;
    log.info(
      { grpc: grpcAddress, http: httpAddress, revision, services: services.size },
      'control plane is ready',
    );
    return new ControlPlane({ store, ads, grpc, http, files, log }, grpcAddress, httpAddress);
  }

  /** Lets clients go, finishes what is being written, and stops. */
  async stop(): Promise<void> {
    const { store, ads, grpc, http, files } = this.parts;
    files?.close();
    ads.closeAll();
    await new Promise<void>((done) => {
      const force = setTimeout(() => grpc.forceShutdown(), SHUTDOWN_MS);
      grpc.tryShutdown(() => {
        clearTimeout(force);
        done();
      });
    });
    http.close();
    http.closeAllConnections();
    await store.close();
    this.parts.log.info('control plane has stopped');
  }
}

async function openBackend({ dataDir }: ControlPlaneOptions, log: Logger): Promise<StoreBackend> {
  if (dataDir !== '') return FileBackend.open(dataDir, log.child({ component: 'store' }));
  log.warn(
    'no --data-dir: what the API changes, and the sessions that pins hold, last only as long as this process',
  );
  return new MemoryBackend({ revision: 0, services: new Map(), pinSecret: randomBytes(32) });
}

async function loadFiles(
  { config }: ControlPlaneOptions,
  store: ConfigStore,
  log: Logger,
): Promise<FileSource | undefined> {
  if (config.length === 0) return undefined;
  const files = new FileSource(config, store, log.child({ component: 'files' }));
  await files.load();
  if (files.problems.length === 0) return files;
  if (store.current.services.size === 0) throw new InvalidFilesError(files.problems);
  log.error(
    { problems: files.problems },
    'the configuration files are not valid; serving what was stored before',
  );
  return files;
}

/** Keeps a snapshot of the store and tells clients of every change. */
function serveSnapshots(store: ConfigStore, log: Logger): { snapshot: Snapshot; ads: AdsServer } {
  const snapshot = new Snapshot();
  const changes = new ChangeLog();
  const ads = new AdsServer({ snapshot, changes, nowMs: Date.now }, log.child({ component: 'ads' }));
  const update = (configuration: Configuration, keys: Iterable<ServiceKey>) => {
    const changed = new Map([...keys].map((key) => [key, configuration.services.get(key)?.service]));
    const from = snapshot.sequence;
    changes.add(
      from,
      snapshot.update(configuration.revision, changed, translateContext(configuration), Date.now()),
    );
    ads.pushToAll();
    if (snapshot.hasLingering) setTimeout(forget, LINGER_MS + 1).unref();
  };
  const forget = () => {
    const from = snapshot.sequence;
    changes.add(from, snapshot.forget(Date.now() - LINGER_MS));
    ads.pushToAll();
  };
  update(store.current, store.current.services.keys());
  store.on('change', update);
  return { snapshot, ads };
}

function translateContext({ pinSecret, services }: Configuration): TranslateContext {
  return {
    pinSecret,
    incarnation(service: MeshService, release: string) {
      const record = services.get(`${service.namespace}/${service.name}`)?.record;
      return record ? incarnationOf(record, release) : '';
    },
  };
}

function grpcServer(store: ConfigStore, ads: AdsServer, status: () => ReturnType<typeof statusOf>): Server {
  const definition = loadApiDefinition();
  const load = new LoadStore();
  const context = () => translateContext(store.current);
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  server.addService(serviceDefinition(ADS_SERVICE), ads.implementation);
  server.addService(serviceDefinition(LRS_SERVICE), loadReportingService(load));
  server.addService(
    configServiceConstructor(definition).service,
    configApi({ store, ads, definition, load, status, translateContext: context }),
  );
  new ReflectionService(definition).addToServer(server);
  return server;
}

function bindGrpc(server: Server, { host, port }: SocketAddress): Promise<string> {
  const address = formatAddress(host, port);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(new ListenError('gRPC (--grpc)', address, inUse(error) ?? error));
      else resolve(formatAddress(host, bound));
    });
  });
}

/** grpc-js tells the reason in text only. */
function inUse(error: Error): NodeJS.ErrnoException | undefined {
  return error.message.includes('EADDRINUSE')
    ? Object.assign(new Error(error.message), { code: 'EADDRINUSE' })
    : undefined;
}
