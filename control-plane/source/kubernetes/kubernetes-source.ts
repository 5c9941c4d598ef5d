import type { KubeObject, KubeWatchApi } from '../../../src/kubernetes/kube-client.js';
import type { ServiceKey } from '../../../src/model/mesh-service.js';
import type { Logger } from '../../../src/telemetry/logger.js';
import type { LiveEndpoints } from '../../endpoints/live-endpoints.js';
import type { ConfigStore } from '../../store/config-store.js';
import type { Configuration } from '../../store/configuration.js';
import type { Editor } from '../../store/editor.js';
import type { ConfigSource } from '../config-source.js';
import { ClusterView } from './cluster-view.js';
import { DocumentKeeper } from './document-keeper.js';
import { EndpointKeeper } from './endpoint-keeper.js';
import { type WatchEvents, type Watched, WatchList } from './watch-list.js';

export interface KubernetesSourceOptions {
  readonly api: KubeWatchApi;
  readonly store: ConfigStore;
  readonly endpoints: LiveEndpoints;
  readonly log: Logger;
  readonly as?: Editor | undefined;
  /** Which namespaces are followed; empty: all. */
  readonly namespaces: readonly string[];
  /** Which Services are meshed, as `kubectl get --selector` takes it; empty: all. */
  readonly serviceSelector: string;
}

/** A start does not wait longer for the API server. */
const LONGEST_START_MS = 60_000;
/** Changes of endpoints that come together are put in force together. */
const ENDPOINTS_SETTLE_MS = 5;
/** Documents make revisions: those of one `kubectl apply` make one. */
const DOCUMENTS_SETTLE_MS = 100;
/** An edit that the store could not take is made again. */
const RETRY_MS = 1000;

/**
 * Follows a cluster: MeshServices become documents, Services without one become documents of one release, and the
 * endpoints of releases that name a Service or pods become live endpoints, which make no revision.
 */
export class KubernetesSource implements ConfigSource {
  private readonly lists: readonly WatchList[];
  private readonly meshServices: readonly WatchList[];
  private readonly services: readonly WatchList[];
  private readonly endpoints: EndpointKeeper;
  private readonly documents: DocumentKeeper;
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly unfollow: () => void;
  private working: Promise<void> = Promise.resolve();
  private closed = false;
  private started = false;
  private reported = '';
  private onListed: () => void = () => {};

  constructor(private readonly options: KubernetesSourceOptions) {
    const { store, log } = options;
    const cluster: ClusterView = new ClusterView((key) => {
      this.endpoints.onObject(key);
      this.documents.touch(key);
      this.schedule();
    });
    this.endpoints = new EndpointKeeper(cluster, options.endpoints);
    this.documents = new DocumentKeeper(cluster, store, options.as);
    const each = (watched: Watched, events: Pick<WatchEvents, 'onObject' | 'onGone'>) =>
      this.pathsOf(watched).map(
        (one) => new WatchList(options.api, one, { ...events, onListed: () => this.onListed() }),
      );
    this.services = each(kind('services', '/api/v1', { labelSelector: options.serviceSelector }), {
      onObject: (key, object) => cluster.putService(key, object),
      onGone: (key) => cluster.dropService(key),
    });
    const slices = each(kind('endpointslices', '/apis/discovery.k8s.io/v1'), {
      onObject: (key, object) => cluster.putSlice(key, object),
      onGone: (key) => cluster.dropSlice(key),
    });
    const pods = each(kind('pods', '/api/v1', { metadataOnly: true }), {
      onObject: (key, object) => cluster.putPod(key, object),
      onGone: (key) => cluster.dropPod(key),
    });
    this.meshServices = each(kind('meshservices', '/apis/roost.dev/v1alpha1'), {
      onObject: (key, object) => this.onMeshService(key, object),
      onGone: (key) => this.onMeshService(key, undefined),
    });
    this.lists = [...this.services, ...slices, ...pods, ...this.meshServices];
    const onChange = (configuration: Configuration, keys: ReadonlySet<ServiceKey>) => {
      this.endpoints.onDocuments(configuration, keys);
      for (const key of keys) this.documents.touch(key);
      this.schedule();
    };
    store.on('change', onChange);
    this.unfollow = () => store.off('change', onChange);
    this.endpoints.onDocuments(store.current, new Set(store.current.services.keys()));
    log.debug({ watches: this.lists.length }, 'following Kubernetes');
  }

  get problems(): readonly string[] {
    const lists = this.lists.map(({ problem }) => problem).filter((problem) => problem !== '');
    return [...lists, ...this.documents.problems];
  }

  get waiting(): readonly string[] {
    return [...this.endpoints.conditions, ...this.documents.waiting];
  }

  async start(): Promise<void> {
    for (const list of this.lists) list.start();
    await this.untilListed();
    this.started = true;
    await this.applyDocuments();
    this.endpoints.flush();
  }

  watch(): void {
    this.report();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.unfollow();
    for (const timer of this.timers.values()) clearTimeout(timer);
    await Promise.all(this.lists.map((list) => list.close()));
    await this.working;
  }

  private onMeshService(key: string, object: KubeObject | undefined): void {
    this.documents.putMeshService(key, object);
    this.schedule();
  }

  private pathsOf(watched: Watched): Watched[] {
    const { namespaces } = this.options;
    if (namespaces.length === 0) return [watched];
    return namespaces.map((namespace) => {
      const path = watched.path.replace(/\/([a-z]+)$/, `/namespaces/${namespace}/$1`);
      return { ...watched, path };
    });
  }

  /** Resolves once every kind was listed or refused, or it takes too long. */
  private untilListed(): Promise<void> {
    const isDone = () => this.lists.every(({ isListed, problem }) => isListed || problem !== '');
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.onListed = () => this.schedule();
        resolve();
      };
      const timer = setTimeout(done, LONGEST_START_MS);
      this.onListed = () => isDone() && done();
      this.onListed();
    });
  }

  private schedule(): void {
    if (!this.started) return;
    this.later('endpoints', ENDPOINTS_SETTLE_MS, () => this.endpoints.flush());
    this.later('documents', DOCUMENTS_SETTLE_MS, () => this.applyDocuments());
  }

  private later(name: string, ms: number, work: () => unknown): void {
    if (this.closed || this.timers.has(name)) return;
    const run = () => {
      this.timers.delete(name);
      work();
    };
    this.timers.set(name, setTimeout(run, ms));
  }

  private applyDocuments(): Promise<void> {
    const isListed = (lists: readonly WatchList[]) => lists.every((list) => list.isListed);
    const listed = { services: isListed(this.services), meshServices: isListed(this.meshServices) };
    this.working = this.working
      .then(() => this.documents.apply(listed))
      .catch((err: unknown) => {
        this.options.log.error({ err }, 'the objects of Kubernetes could not be put in force; trying again');
        this.later('documents', RETRY_MS, () => this.applyDocuments());
      })
      .then(() => this.report());
    return this.working;
  }

  /** What is wrong is logged once. */
  private report(): void {
    const { problems, waiting } = this;
    const now = JSON.stringify([problems, waiting]);
    if (now === this.reported) return;
    this.reported = now;
    if (problems.length + waiting.length === 0) this.options.log.info('everything of Kubernetes is in force');
    else this.options.log.warn({ problems, waiting }, 'not everything of Kubernetes is in force');
  }
}

function kind(what: string, group: string, options: Partial<Watched> = {}): Watched {
  return { what, path: `${group}/${what}`, labelSelector: '', metadataOnly: false, ...options };
}
