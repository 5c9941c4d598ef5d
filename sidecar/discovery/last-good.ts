import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readBoundedFile } from '../../src/lifecycle/bounded-file.js';
import { writeDurably } from '../../src/lifecycle/durable-file.js';
import { keepOutOfGit } from '../../src/lifecycle/keep-out-of-git.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { NameChanges } from '../../src/xds/referenced-names.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { perKind, type ResourceConsumer } from './ads-client.js';
import { decodeConfiguration, encodeConfiguration, type StoredConfiguration } from './configuration-file.js';
import { WILDCARD } from './held-resources.js';
import type { ReceivedResource, RefusedResource } from './response-entries.js';
import type { Origin } from './store-guard.js';

export interface LastGoodOptions {
  readonly directory: string;
  /** `checkout.shop` */
  readonly service: string;
  /** Who takes the resources in the end. */
  readonly consumer: ResourceConsumer;
  /** What the configuration is from. */
  origin(): Origin;
  /** Before the restoration: the listeners that are on disk, of which those that are not wanted are then left out. */
  onStored(listeners: readonly string[]): void;
  /** All that was accepted is in force. Until then, what is on disk stays. */
  isSettled(): boolean;
  /** Milliseconds since the epoch. */
  nowMs(): number;
  readonly log: Logger;
}

/** A change is on disk this long after it, so that what comes together is written together. */
const WRITE_AFTER_MS = 1000;
/** Under constant change, the file is written this often. */
const WRITE_EVERY_MS = 10_000;
/** A larger configuration is not kept. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** Listeners name routes, those clusters, those endpoints: in this order what is given is also asked for. */
const RESTORE_ORDER: readonly ResourceKind[] = ['listener', 'route', 'cluster', 'endpoint'];

/**
 * Keeps the last good configuration on disk, for a sidecar that starts while no control plane is there. Stands
 * between the discovery client and the consumer: what the consumer accepts is kept as it was received, but for what has
 * a time to live, and written a little later, whole or not at all (`configuration` in the directory).
 */
export class LastGood implements ResourceConsumer {
  private readonly kept = perKind(() => new Map<string, ReceivedResource>());
  private readonly wantedNames = perKind(() => new Set<string>());
  private readonly path: string;
  private changedAtMs = 0;
  private writtenAtMs = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();
  private failing = false;
  private restoredFromMs: number | undefined;

  constructor(private readonly options: LastGoodOptions) {
    this.path = join(options.directory, 'configuration');
  }

  /**
   * When what is in force was configured, in milliseconds since the epoch, while it is what the disk had and no
   * control plane has answered since; else undefined.
   */
  get restoredMs(): number | undefined {
    return this.restoredFromMs;
  }

  /**
   * Puts in force what is on disk, as if a control plane had sent it.
   *
   * @param onKept learns of each resource that was accepted, to tell servers what is here already
   * @param onOrigin learns of what it is from
   * @returns whether there was anything. What cannot be read is told in the log and left alone.
   */
  async restore(
    onKept: (kind: ResourceKind, resources: readonly ReceivedResource[]) => void,
    onOrigin: (origin: Origin) => void = () => {},
  ): Promise<boolean> {
    const stored = await this.read();
    if (stored === undefined) return false;
    onOrigin(stored.origin);
    this.options.onStored(stored.resources.listener.map(({ name }) => name));
    this.restoredFromMs = stored.changedAtMs;
    for (const kind of RESTORE_ORDER) {
      const problems = this.take(kind, stored.resources[kind], []);
      if (problems.length > 0)
        this.options.log.warn({ type: kind, problems }, 'a part of the configuration on disk was refused');
      onKept(kind, [...this.kept[kind].values()]);
    }
    this.changedAtMs = stored.changedAtMs;
    const age = Math.round((this.options.nowMs() - stored.changedAtMs) / 1000);
    this.options.log.info(
      { path: this.path, ageSeconds: age },
      'starting from the last good configuration on disk',
    );
    return true;
  }

  /** The names of a type that are wanted have changed; what is not wanted is not kept. */
  wanted(kind: ResourceKind, { added, dropped }: NameChanges): void {
    const names = this.wantedNames[kind];
    for (const name of added) names.add(name);
    for (const name of dropped) {
      names.delete(name);
      if (!names.has(WILDCARD)) this.kept[kind].delete(name);
    }
  }

  onResources(
    kind: ResourceKind,
    resources: readonly ReceivedResource[],
    removed: readonly string[],
  ): readonly RefusedResource[] {
    this.restoredFromMs = undefined;
    const refused = this.take(kind, resources, removed);
    // An answer that brings nothing changes nothing.
    if (resources.length > 0 || removed.length > 0) {
      this.changedAtMs = this.options.nowMs();
      this.schedule();
    }
    return refused;
  }

  onConnected(connected: boolean): void {
    this.options.consumer.onConnected(connected);
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    if (this.timer !== undefined) {
      clearTimeout(this.timer);
      this.timer = undefined;
      if (this.options.isSettled()) this.write();
    }
    await this.writing;
  }

  private take(
    kind: ResourceKind,
    resources: readonly ReceivedResource[],
    removed: readonly string[],
  ): readonly RefusedResource[] {
    const refused = this.options.consumer.onResources(kind, resources, removed);
    const bad = new Set(refused.map(({ name }) => name));
    const names = this.wantedNames[kind];
    for (const resource of resources) {
      if (bad.has(resource.name) || !(names.has(resource.name) || names.has(WILDCARD))) continue;
      // It is not known after a restart whether what had a time to live has lived on.
      if (resource.ttlMs !== undefined) this.kept[kind].delete(resource.name);
      else this.kept[kind].set(resource.name, resource);
    }
    for (const name of removed) this.kept[kind].delete(name);
    return refused;
  }

  private schedule(): void {
    if (this.timer !== undefined) return;
    const wait = Math.max(WRITE_AFTER_MS, this.writtenAtMs + WRITE_EVERY_MS - this.options.nowMs());
    this.timer = setTimeout(() => this.onDue(), wait).unref();
  }

  private onDue(): void {
    this.timer = undefined;
    if (this.options.isSettled()) this.write();
    else this.schedule();
  }

  private write(): void {
    this.writtenAtMs = this.options.nowMs();
    const { service } = this.options;
    const origin = this.options.origin();
    const file = encodeConfiguration(this.kept, { service, origin, changedAtMs: this.changedAtMs });
    this.writing = this.writing
      .then(() => this.store(file))
      .then(
        () => this.onWritten(undefined),
        (error: unknown) => this.onWritten(error),
      );
  }

  private async store(file: Buffer): Promise<void> {
    if (file.length > MAX_FILE_BYTES) throw new Error(`${file.length} bytes are more than ${MAX_FILE_BYTES}`);
    await mkdir(this.options.directory, { recursive: true, mode: 0o700 });
    await keepOutOfGit(this.options.directory);
    await writeDurably(this.path, file, 0o600);
  }

  /** A failure is told once, and when it is over; the next change tries again. */
  private onWritten(error: unknown): void {
    const { log } = this.options;
    if (error !== undefined && !this.failing)
      log.warn({ err: error, path: this.path }, 'the configuration could not be kept on disk');
    if (error === undefined && this.failing)
      log.info({ path: this.path }, 'the configuration is kept on disk again');
    this.failing = error !== undefined;
  }

  private async read(): Promise<StoredConfiguration | undefined> {
    try {
      const stored = decodeConfiguration(readBoundedFile(this.path, { maxBytes: MAX_FILE_BYTES }));
      if (stored.service === this.options.service) return stored;
      throw new Error(`is of a sidecar of ${stored.service}; give each sidecar its own --state-dir`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      const reason = error instanceof Error ? error.message : String(error);
      this.options.log.warn({ path: this.path, reason }, 'the configuration on disk cannot be used');
      return undefined;
    }
  }
}
