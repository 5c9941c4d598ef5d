import { randomBytes } from 'node:crypto';
import { OperatorError } from '../../../src/lifecycle/operator-error.js';
import { applyChange, type Change, type ConfigState } from '../config-state.js';
import { migrate, type SnapshotRecord, snapshotOf, stateOf } from '../journal-records.js';
import { EtcdCallError, type EtcdClient } from './etcd-client.js';
import { EtcdKeys, type KeyRange } from './etcd-keys.js';
import {
  doesNotExist,
  type KeyValue,
  PUT,
  RANGE,
  type RangeResponse,
  type RequestOp,
  TXN,
  type TxnResponse,
  wasLastWrittenAt,
} from './etcd-messages.js';
import {
  ETCD_FORMAT,
  type Head,
  type LogEntry,
  PART_BYTES,
  type PartsRef,
  parseHead,
  partsOf,
} from './etcd-records.js';
import { untilAnswered } from './etcd-retry.js';

/** Values read at once: 32 MiB at most, usually some kilobytes. */
const PAGE = 64;

/** The head as it was at one moment. */
export interface HeadAt {
  readonly head: Head;
  /** Revision of etcd that wrote it; what the next commit compares. */
  readonly modRevision: number;
  /** Revision of etcd that it was read at. */
  readonly storeRevision: number;
}

/** What a commit needs, prepared once, so that it can be tried again as it is. */
export interface PreparedCommit {
  readonly head: Head;
  readonly on: HeadAt;
  readonly operations: readonly RequestOp[];
}

/**
 * How configuration is laid out in etcd: a snapshot, a log of the commits since, and a head that says what is in
 * force. A commit is one transaction that compares the head and writes it, so that there is exactly one after the
 * other, and none by halves. What is too large for it is written before, in pieces that are not read until then.
 */
export class EtcdLog {
  readonly keys: EtcdKeys;

  constructor(
    private readonly client: EtcdClient,
    prefix: string,
    /** How long is tried to read or write something, in milliseconds. */
    private readonly timeoutMs: () => number,
  ) {
    this.keys = new EtcdKeys(prefix);
  }

  /** @returns undefined where there is none, with the revision of etcd at which that was so */
  async readHead(): Promise<HeadAt | { readonly head: undefined; readonly storeRevision: number }> {
    const { header, kvs } = await this.read<RangeResponse>(() =>
      this.client.call(RANGE, { key: this.keys.head }),
    );
    return headOf(kvs[0], header.revision);
  }

  /** Everything, as of a head. Undefined: etcd has let go of that moment while it was read. */
  readState(at: HeadAt): Promise<ConfigState | undefined> {
    return unlessCompacted(async () => {
      const state = await this.readSnapshot(at);
      const changes = state && (await this.changesUntil(at, state.revision, undefined));
      return changes?.reduce(applyChange, state as ConfigState);
    });
  }

  /**
   * The commits after a revision, up to a head.
   *
   * @param previous the commit that the first of them must have been made on
   * @returns undefined where they are not there any more, or do not follow from that
   */
  readChanges(at: HeadAt, after: number, previous: string): Promise<Change[] | undefined> {
    return unlessCompacted(() => this.changesUntil(at, after, previous));
  }

  /** Begins with a state, unless another control plane has. @returns whether it is this one */
  async create(state: ConfigState): Promise<boolean> {
    const commit = newName();
    const snapshot = await this.writeSnapshot(state);
    const head: Head = { format: ETCD_FORMAT, revision: state.revision, commit, snapshot, logBytes: 0 };
    const { succeeded } = await this.read<TxnResponse>(() =>
      this.client.call(TXN, {
        compare: [doesNotExist(this.keys.head)],
        success: [put(this.keys.head, head)],
        failure: [],
      }),
    );
    return succeeded;
  }

  /** Writes what is too large for the transaction, and says what the transaction will be. */
  async prepare(change: Change, on: HeadAt): Promise<PreparedCommit> {
    const commit = newName();
    const text = JSON.stringify(change);
    const size = Buffer.byteLength(text);
    const content =
      size <= PART_BYTES ? { change } : { parts: await this.writeParts('parts', change.revision, text) };
    const entry: LogEntry = { commit, previous: on.head.commit, ...content };
    const { revision } = change;
    const head: Head = { ...on.head, revision, commit, logBytes: on.head.logBytes + size };
    return { head, on, operations: [put(this.keys.entry(revision), entry), put(this.keys.head, head)] };
  }

  /** Replaces the snapshot and the log by a new snapshot; nothing changes by that. */
  async prepareSnapshot(state: ConfigState, on: HeadAt): Promise<PreparedCommit> {
    const snapshot = await this.writeSnapshot(state);
    const head: Head = { ...on.head, snapshot, logBytes: 0 };
    const old: KeyRange[] = [
      this.keys.before('snapshots', snapshot.revision),
      this.keys.before('log', snapshot.revision + 1),
      this.keys.before('parts', snapshot.revision + 1),
    ];
    const removals = old.map((range) => ({ requestDeleteRange: range }));
    return { head, on, operations: [put(this.keys.head, head), ...removals] };
  }

  /**
   * One attempt at a transaction. It can be repeated as long as its outcome is not known: it takes effect once at most.
   *
   * @returns the head that is in force now; it is the prepared one where this or an earlier attempt took effect
   * @throws EtcdCallError
   */
  async commit({ head, on, operations }: PreparedCommit): Promise<HeadAt | undefined> {
    const { succeeded, header, responses } = await this.client.call<TxnResponse>(TXN, {
      compare: [wasLastWrittenAt(this.keys.head, on.modRevision)],
      success: operations,
      failure: [{ requestRange: { key: this.keys.head } }],
    });
    if (succeeded) return { head, modRevision: header.revision, storeRevision: header.revision };
    const found = headOf(responses[0]?.responseRange?.kvs[0], header.revision);
    return found.head === undefined ? undefined : found;
  }

  private async readSnapshot({ head, storeRevision }: HeadAt): Promise<ConfigState | undefined> {
    const text = await this.readParts('snapshots', head.snapshot, storeRevision);
    if (text === undefined) return undefined;
    const migrated = migrate(JSON.parse(text) as SnapshotRecord);
    if (migrated === undefined)
      throw new OperatorError('the snapshot in etcd is of a format that this version cannot read');
    return stateOf(migrated);
  }

  private async changesUntil(
    { head, storeRevision }: HeadAt,
    after: number,
    previous: string | undefined,
  ): Promise<Change[] | undefined> {
    const values = await this.readAll(this.keys.entriesAfter(after), storeRevision);
    const entries = values.map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')) as LogEntry);
    const chain = [previous ?? entries[0]?.previous ?? head.commit, ...entries.map(({ commit }) => commit)];
    const isWhole = entries.every((entry, i) => entry.previous === chain[i]) && chain.at(-1) === head.commit;
    if (!isWhole) return undefined;
    const changes: Change[] = [];
    for (const { change, parts } of entries) {
      const text = parts && (await this.readParts('parts', parts, storeRevision));
      const found = change ?? (text === undefined ? undefined : (JSON.parse(text) as Change));
      if (found === undefined) return undefined;
      changes.push(found);
    }
    return changes;
  }

  private async writeSnapshot(state: ConfigState): Promise<PartsRef> {
    return this.writeParts('snapshots', state.revision, JSON.stringify(snapshotOf(state)));
  }

  private async writeParts(folder: 'parts' | 'snapshots', revision: number, text: string): Promise<PartsRef> {
    const id = newName();
    const parts = partsOf(text);
    for (const [index, value] of parts.entries()) {
      const key = this.keys.part(folder, revision, id, index);
      await this.read(() => this.client.call(PUT, { key, value }));
    }
    return { revision, id, count: parts.length };
  }

  private async readParts(
    folder: 'parts' | 'snapshots',
    { revision, id, count }: PartsRef,
    storeRevision: number,
  ): Promise<string | undefined> {
    const parts = await this.readAll(this.keys.partsOf(folder, revision, id), storeRevision);
    if (parts.length !== count) return undefined;
    return Buffer.concat(parts.map(({ value }) => value)).toString('utf8');
  }

  /** A range as it was at one revision of etcd. */
  private async readAll({ key, rangeEnd }: KeyRange, revision: number): Promise<KeyValue[]> {
    const found: KeyValue[] = [];
    for (let from = key; ; ) {
      const { kvs, more } = await this.read<RangeResponse>(() =>
        this.client.call(RANGE, { key: from, rangeEnd, limit: PAGE, revision }),
      );
      found.push(...kvs);
      const last = kvs.at(-1);
      if (!more || last === undefined) return found;
      // The smallest key after it.
      from = Buffer.concat([last.key, Buffer.alloc(1)]);
    }
  }

  private read<T>(attempt: () => Promise<T>): Promise<T> {
    return untilAnswered(attempt, this.timeoutMs());
  }
}

async function unlessCompacted<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof EtcdCallError && error.isCompacted) return undefined;
    throw error;
  }
}

function headOf(
  kv: KeyValue | undefined,
  storeRevision: number,
): HeadAt | { readonly head: undefined; readonly storeRevision: number } {
  if (kv === undefined) return { head: undefined, storeRevision };
  return { head: parseHead(kv.value), modRevision: kv.modRevision, storeRevision };
}

function put(key: Buffer, value: object): RequestOp {
  return { requestPut: { key, value: Buffer.from(JSON.stringify(value)) } };
}

function newName(): string {
  return randomBytes(12).toString('base64url');
}
