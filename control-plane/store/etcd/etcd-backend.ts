import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { BackOff } from '../../../src/lifecycle/back-off.js';
import { OperatorError } from '../../../src/lifecycle/operator-error.js';
import { formatAddress } from '../../../src/net/ip-address.js';
import type { Logger } from '../../../src/telemetry/logger.js';
import type { SharedStore, StoreBackend } from '../backend.js';
import { applyChange, type Change, type ConfigState, emptyState } from '../config-state.js';
import { OutcomeUnknownError, OvertakenError, StoreUnavailableError } from '../errors.js';
import { EtcdCallError, EtcdClient } from './etcd-client.js';
import { EtcdLog, type HeadAt, type PreparedCommit } from './etcd-log.js';
import type { EtcdOptions } from './etcd-options.js';
import { EtcdPresence } from './etcd-presence.js';
import { PART_BYTES } from './etcd-records.js';
import { EtcdWatch } from './etcd-watch.js';

/** How long things are tried. */
export interface EtcdTiming {
  /** A read or a write, before it is given up: longer than an election takes, shorter than callers wait. */
  readonly operationMs: number;
  /** Until everything has been read at the start. */
  readonly startMs: number;
  /** The log becomes a snapshot when it has grown to this, and to several times the snapshot. */
  readonly compactMinBytes: number;
}

const TIMING: EtcdTiming = { operationMs: 6000, startMs: 30_000, compactMinBytes: 1024 * 1024 };
/** An operation on an etcd that has not answered for longer than one takes. */
const AWAY_OPERATION_MS = 1000;
const COMPACT_FACTOR = 4;
const RETRY_MS = { first: 50, max: 500 } as const;
/** How often a state that changes while it is read is read again. */
const MAX_READS = 20;

/** Configuration in etcd, which any number of control planes write to and follow. */
export class EtcdBackend implements StoreBackend, SharedStore {
  readonly name: string;
  readonly shared: SharedStore = this;
  readonly presence: EtcdPresence;
  private readonly etcd: EtcdLog;
  private readonly watch: EtcdWatch;
  /** What the state that this control plane has was read from. */
  private known: HeadAt | undefined;
  private watchProblem: { readonly reason: string; readonly since: number } | undefined;
  private writeProblem: string | undefined;
  private onNews: () => void = () => {};

  private constructor(
    private readonly client: EtcdClient,
    private readonly log: Logger,
    private readonly timing: EtcdTiming,
    options: EtcdOptions,
  ) {
    this.name = nameOf(options);
    this.etcd = new EtcdLog(client, options.prefix, () => this.patienceMs);
    const { etcd } = this;
    this.presence = new EtcdPresence(client, etcd.keys, log);
    this.watch = new EtcdWatch({
      client,
      key: etcd.keys.head,
      onNews: () => this.onNews(),
      onProblem: (problem) => this.noteWatchProblem(problem),
      log,
    });
  }

  /** @throws OperatorError where a file of the options cannot be used. Etcd itself is asked by {@link load}. */
  static open(options: EtcdOptions, log: Logger, timing: Partial<EtcdTiming> = {}): EtcdBackend {
    const times = { ...TIMING, ...timing };
    const client = new EtcdClient(options);
    return new EtcdBackend(client, log, times, options);
  }

  get problem(): string | undefined {
    return this.watchProblem?.reason ?? this.writeProblem;
  }

  /** @throws OperatorError where etcd does not let this control plane in, or does not answer in time */
  async load(): Promise<ConfigState> {
    const deadline = performance.now() + this.timing.startMs;
    for (;;) {
      try {
        const state = await this.loadOrCreate();
        this.watch.start(this.base.storeRevision);
        this.presence.start(this.base.storeRevision);
        return state;
      } catch (error) {
        if (!(error instanceof EtcdCallError)) throw error;
        if (error.isFinal || performance.now() > deadline)
          throw new OperatorError(`the store ${this.name} cannot be used: ${error.message}`);
        this.log.warn({ store: this.name, reason: error.message }, 'waiting for etcd');
      }
    }
  }

  follow(onNews: () => void): void {
    this.onNews = onNews;
  }

  async newer(state: ConfigState): Promise<ConfigState | undefined> {
    try {
      return await this.readNewer(state);
    } catch (error) {
      throw this.asUnavailable(error);
    }
  }

  async append(change: Change, state: ConfigState): Promise<void> {
    try {
      const prepared = await this.etcd.prepare(change, this.base);
      this.known = await this.commit(prepared);
      this.writeProblem = undefined;
    } catch (error) {
      throw this.asUnavailable(error);
    }
    await this.compactIfDue(state);
  }

  async close(): Promise<void> {
    this.watch.close();
    await this.presence.close();
    this.client.close();
  }

  private get base(): HeadAt {
    if (this.known === undefined) throw new Error('the store has not been read yet');
    return this.known;
  }

  private async loadOrCreate(): Promise<ConfigState> {
    const { head } = await this.etcd.readHead();
    if (head === undefined && (await this.etcd.create(emptyState(randomBytes(32)))))
      this.log.info({ store: this.name }, 'there was nothing in etcd; beginning with nothing');
    return this.readAll();
  }

  private async readAll(): Promise<ConfigState> {
    for (let reads = 1; ; reads++) {
      const at = await this.etcd.readHead();
      if (at.head === undefined) throw this.gone();
      const state = await this.etcd.readState(at);
      if (state !== undefined) {
        this.known = at;
        return state;
      }
      if (reads === MAX_READS) throw new OperatorError(damaged(this.name));
    }
  }

  private async readNewer(state: ConfigState): Promise<ConfigState | undefined> {
    const { base } = this;
    const at = await this.etcd.readHead();
    if (at.head === undefined) throw this.gone();
    // Restored from an older copy, say: what is watched for may never come.
    if (at.storeRevision < base.storeRevision) this.watch.start(at.storeRevision);
    const { head } = at;
    if (head.commit === base.head.commit) {
      this.known = at;
      return undefined;
    }
    if (head.revision < state.revision) throw this.wentBack(head.revision, state.revision);
    // Another control plane has written: etcd takes changes again.
    this.writeProblem = undefined;
    const changes = await this.etcd.readChanges(at, state.revision, base.head.commit);
    if (changes === undefined) return this.readAll();
    this.known = at;
    return changes.reduce(applyChange, state);
  }

  /**
   * Repeats a transaction until it is known what became of it: it takes effect once at most, and whether it has is
   * told by the head.
   *
   * @throws OvertakenError, StoreUnavailableError, OutcomeUnknownError
   */
  private async commit(prepared: PreparedCommit): Promise<HeadAt> {
    const deadline = performance.now() + this.timing.operationMs;
    const pauses = new BackOff(RETRY_MS.first, RETRY_MS.max);
    for (let mayHaveHappened = false; ; ) {
      try {
        const at = await this.etcd.commit(prepared);
        if (at === undefined) throw this.gone();
        if (at.head.commit !== prepared.head.commit) throw new OvertakenError();
        return at;
      } catch (error) {
        if (!(error instanceof EtcdCallError)) throw error;
        mayHaveHappened ||= error.mayHaveHappened;
        if (error.isFinal) this.writeProblem = error.message;
        if (error.isFinal || performance.now() > deadline)
          throw mayHaveHappened ? unknownOutcome(error) : error;
      }
      await wait(pauses.next());
    }
  }

  private async compactIfDue(state: ConfigState): Promise<void> {
    const { head } = this.base;
    const snapshotBytes = (head.snapshot.count - 1) * PART_BYTES;
    if (head.logBytes <= Math.max(this.timing.compactMinBytes, COMPACT_FACTOR * snapshotBytes)) return;
    try {
      this.known = await this.commit(await this.etcd.prepareSnapshot(state, this.base));
    } catch (error) {
      // The change itself is in force. A log that is not compacted now is when the next change comes.
      this.log.warn({ err: error }, 'the log in etcd could not be made a snapshot; trying again');
    }
  }

  /** Changes that wait for an etcd that has been away for a while would only wait longer, each for all before it. */
  private get patienceMs(): number {
    const { operationMs } = this.timing;
    const awayMs = performance.now() - (this.watchProblem?.since ?? Number.POSITIVE_INFINITY);
    return awayMs > operationMs ? Math.min(operationMs, AWAY_OPERATION_MS) : operationMs;
  }

  private noteWatchProblem(reason: string | undefined): void {
    const before = this.watchProblem;
    this.watchProblem =
      reason === undefined ? undefined : { reason, since: before?.since ?? performance.now() };
    if (reason !== undefined && before === undefined)
      this.log.warn(
        { store: this.name, reason },
        'etcd does not answer; serving what is known, changes are refused',
      );
    else if (reason === undefined && before !== undefined)
      this.log.info({ store: this.name }, 'etcd answers again');
  }

  private asUnavailable(error: unknown): unknown {
    if (!(error instanceof EtcdCallError)) return error;
    const message = `etcd does not take it (${error.message}); what is known is served on`;
    return new StoreUnavailableError(message, { cause: error });
  }

  private gone(): StoreUnavailableError {
    this.writeProblem = `there is no configuration in ${this.name} any more; what is known is served on`;
    return new StoreUnavailableError(
      `${this.writeProblem}. Put its data back, or keep a "roost backup" of what is known, start again and restore that`,
    );
  }

  private wentBack(found: number, served: number): StoreUnavailableError {
    this.writeProblem = `${this.name} is at revision ${found}, older than ${served}, which is served on`;
    return new StoreUnavailableError(
      `${this.writeProblem}. To go back, restart the control planes; to go on, keep a "roost backup" of what is known ` +
        'and restore it after that',
    );
  }
}

function unknownOutcome(cause: EtcdCallError): OutcomeUnknownError {
  const message = `etcd was sent the change and did not say what became of it (${cause.message})`;
  return new OutcomeUnknownError(message, { cause });
}

function damaged(name: string): string {
  return `what ${name} has is not whole: pieces of it are missing. Put a copy of etcd's data back, or remove it and "roost restore" a backup`;
}

function nameOf({ endpoints, prefix }: EtcdOptions): string {
  return `etcd://${endpoints.map(({ host, port }) => formatAddress(host, port)).join(',')}${prefix}`;
}
