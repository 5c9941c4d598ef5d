import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeError, type KubeObject, type KubeWatchApi } from '../../../src/kubernetes/kube-client.js';
import { BackOff } from '../../../src/lifecycle/back-off.js';
import { keyOf, type ObjectKey } from './objects.js';

/** Which objects are followed. */
export interface Watched {
  /** For people: `services`. */
  readonly what: string;
  /** `/api/v1/namespaces/shop/services` */
  readonly path: string;
  /** Empty: all. */
  readonly labelSelector: string;
  /** Only metadata is sent: for pods, of which nothing else is used. */
  readonly metadataOnly: boolean;
}

export interface WatchEvents {
  onObject(key: ObjectKey, object: KubeObject): void;
  onGone(key: ObjectKey): void;
  /** Everything that there is has been told, or cannot be: {@link WatchList.problem} says why. */
  onListed(): void;
}

interface Timing {
  readonly firstBackOffMs: number;
  readonly maxBackOffMs: number;
  sleep(ms: number, signal: AbortSignal): Promise<unknown>;
}

const TIMING: Timing = {
  firstBackOffMs: 500,
  maxBackOffMs: 30_000,
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};
const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
const PAGE = 500;
/** The API server ends a watch after this; another one goes on from where it was. */
const WATCH_SECONDS = 290;
/** The API server keeps objects below 3 MB. */
const MAX_LINE = 16 * 1024 * 1024;
const HTTP_GONE = 410;

/**
 * Follows the objects of one kind: lists them in pages, then watches from there. A watch that ends goes on where it
 * was; where the API server has forgotten that place (410 Gone), the objects are listed again and what is gone is told.
 * Keeps the keys of objects and nothing else of them.
 *
 * ```
 *   listing ──► watching ──ended, broken──► watching from the last version
 *      ▲            └── 410 Gone ──┐
 *      └────────────────────────────┘
 * ```
 */
export class WatchList {
  private known = new Set<ObjectKey>();
  private version = '';
  private readonly ending = new AbortController();
  private readonly backOff: BackOff;
  private running: Promise<void> | undefined;
  private failure = '';
  private listed = false;

  constructor(
    private readonly api: KubeWatchApi,
    private readonly watched: Watched,
    private readonly events: WatchEvents,
    private readonly timing: Timing = TIMING,
  ) {
    this.backOff = new BackOff(timing.firstBackOffMs, timing.maxBackOffMs);
  }

  /** Whether the objects have been listed since the start. */
  get isListed(): boolean {
    return this.listed;
  }

  /** Why the objects cannot be followed at present; empty: they are. */
  get problem(): string {
    return this.failure;
  }

  start(): void {
    this.running ??= this.run();
  }

  async close(): Promise<void> {
    this.ending.abort();
    await this.running;
  }

  private get isOver(): boolean {
    return this.ending.signal.aborted;
  }

  private async run(): Promise<void> {
    while (!this.isOver) {
      try {
        if (this.version === '') await this.list();
        const events = await this.watch();
        // A proxy that ends every watch at once is not asked without end.
        if (events === 0) await this.pause(this.timing.firstBackOffMs);
      } catch (error) {
        if (this.isOver) return;
        await this.onFailed(error as Error);
      }
    }
  }

  private async onFailed(error: Error): Promise<void> {
    if (error instanceof KubeError && error.status === HTTP_GONE) this.version = '';
    else {
      this.failure = this.describe(error);
      this.events.onListed();
    }
    await this.pause(this.backOff.next());
  }

  /** Ends early when this is closed. */
  private async pause(ms: number): Promise<void> {
    await this.timing.sleep(ms, this.ending.signal).catch(() => {});
  }

  private describe(error: Error): string {
    const { what, path } = this.watched;
    if (error instanceof KubeError && error.status === 403)
      return `the control plane may not list and watch ${what} (${path}): ${error.message}; apply the ClusterRole of deploy/kubernetes/roost.yaml`;
    return `${what} cannot be read: ${error.message}; trying again`;
  }

  /** Tells every object, then which of those known before are gone. */
  private async list(): Promise<void> {
    const found = new Set<ObjectKey>();
    let [token, version] = ['', ''];
    do {
      const query = { limit: String(PAGE), ...(token !== '' && { continue: token }) };
      const page = await this.api.get(this.url(query), this.watched.metadataOnly ? METADATA_LIST : undefined);
      const metadata = (page.metadata ?? {}) as { continue?: string; resourceVersion?: string };
      for (const object of (page.items ?? []) as readonly KubeObject[]) {
        const key = keyOf(object);
        if (key === undefined) continue;
        found.add(key);
        this.events.onObject(key, object);
      }
      token = metadata.continue ?? '';
      version = metadata.resourceVersion ?? '';
    } while (token !== '' && !this.isOver);
    if (this.isOver) return;
    for (const key of this.known) if (!found.has(key)) this.events.onGone(key);
    this.known = found;
    this.listed = true;
    this.version = version;
    this.failure = '';
    this.backOff.reset();
    this.events.onListed();
  }

  /** @returns how many events came before the API server ended the watch */
  private async watch(): Promise<number> {
    const query = {
      watch: 'true',
      resourceVersion: this.version,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(WATCH_SECONDS),
    };
    const accept = this.watched.metadataOnly ? METADATA : 'application/json';
    const response = await this.api.open(this.url(query), accept, this.ending.signal);
    const decoder = new StringDecoder('utf8');
    let [rest, events] = ['', 0];
    this.failure = '';
    for await (const chunk of response) {
      const lines = (rest + decoder.write(chunk as Buffer)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE) throw new KubeError(0, 'an event of the watch is larger than 16 MB');
      for (const line of lines) {
        if (line === '') continue;
        this.onEvent(line);
        events++;
      }
    }
    return events;
  }

  private onEvent(line: string): void {
    const { type, object } = parseEvent(line);
    if (type === 'ERROR')
      throw new KubeError(Number(object.code ?? 0), String(object.message ?? 'the watch failed'));
    const { resourceVersion } = (object.metadata ?? {}) as { resourceVersion?: unknown };
    const key = keyOf(object);
    if (type === 'DELETED' && key !== undefined) {
      this.known.delete(key);
      this.events.onGone(key);
    } else if (type !== 'BOOKMARK' && key !== undefined) {
      this.known.add(key);
      this.events.onObject(key, object);
    }
    if (typeof resourceVersion === 'string') this.version = resourceVersion;
    this.failure = '';
    this.backOff.reset();
  }

  private url(query: Readonly<Record<string, string>>): string {
    const { path, labelSelector } = this.watched;
    return `${path}?${new URLSearchParams({ ...query, ...(labelSelector !== '' && { labelSelector }) })}`;
  }
}

function parseEvent(line: string): { readonly type: unknown; readonly object: KubeObject } {
  try {
    const event = JSON.parse(line) as { readonly type?: unknown; readonly object?: KubeObject };
    return { type: event.type, object: event.object ?? {} };
  } catch {
    throw new KubeError(0, 'an event of the watch is not JSON');
  }
}
