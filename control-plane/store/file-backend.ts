import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../../src/lifecycle/operator-error.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { StoreBackend } from './backend.js';
import { applyChange, type Change, type ConfigState, type ServiceRecord } from './config-state.js';
import { lockDirectory } from './directory-lock.js';
import { Journal } from './journal.js';

/** Version of the records' format; raised when an older control plane could not read them. */
const FORMAT = 1;
/** The journal is rewritten as one snapshot when it has grown to this many times the snapshot, and beyond 1 MiB. */
const COMPACT_FACTOR = 4;
const COMPACT_MIN_BYTES = 1024 * 1024;

interface SnapshotRecord {
  readonly kind: 'snapshot';
  readonly format: number;
  readonly revision: number;
  readonly pinSecret: string;
  readonly services: readonly (readonly [ServiceKey, ServiceRecord])[];
}

type JournalRecord = SnapshotRecord | ({ readonly kind: 'change' } & Change);

/** The embedded store: one journal in a data directory, every commit synced before it is acknowledged. */
export class FileBackend implements StoreBackend {
  private snapshotBytes = 0;

  private constructor(
    private readonly journal: Journal,
    private readonly initial: ConfigState,
    private readonly unlock: () => Promise<void>,
  ) {
    this.snapshotBytes = journal.size;
  }

  /** @throws Error naming the directory when it cannot be used or another control plane has it. */
  static async open(directory: string, log: Logger): Promise<FileBackend> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const unlock = await lockDirectory(directory);
    try {
      const { journal, records } = await Journal.open(join(directory, 'config.journal'), (what) =>
        log.error(what),
      );
      const state = replay(records as JournalRecord[], directory);
      if (records.length === 0) await journal.append(snapshotOf(state));
      return new FileBackend(journal, state, unlock);
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  async load(): Promise<ConfigState> {
    return this.initial;
  }

  async append(change: Change, state: ConfigState): Promise<void> {
    await this.journal.append({ kind: 'change', ...change } satisfies JournalRecord);
    if (this.journal.size > Math.max(COMPACT_MIN_BYTES, COMPACT_FACTOR * this.snapshotBytes)) {
      await this.journal.rewrite([snapshotOf(state)]);
      this.snapshotBytes = this.journal.size;
    }
  }

  async close(): Promise<void> {
    await this.journal.close();
    await this.unlock();
  }
}

function replay(records: readonly JournalRecord[], directory: string): ConfigState {
  const [first, ...rest] = records;
  if (first === undefined) return { revision: 0, services: new Map(), pinSecret: randomBytes(32) };
  if (first.kind !== 'snapshot' || first.format !== FORMAT) {
    throw new OperatorError(`${directory} holds configuration in a format that this version cannot read`);
  }
  const start: ConfigState = {
    revision: first.revision,
    services: new Map(first.services),
    pinSecret: Buffer.from(first.pinSecret, 'base64'),
  };
  return rest.reduce(
    (state, record) => (record.kind === 'change' ? applyChange(state, record) : state),
    start,
  );
}

function snapshotOf(state: ConfigState): SnapshotRecord {
  return {
    kind: 'snapshot',
    format: FORMAT,
    revision: state.revision,
    pinSecret: state.pinSecret.toString('base64'),
    services: [...state.services],
  };
}
