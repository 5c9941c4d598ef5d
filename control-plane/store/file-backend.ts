import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../../src/lifecycle/operator-error.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { StoreBackend } from './backend.js';
import { applyChange, type Change, type ConfigState, type ServiceRecord } from './config-state.js';
import { lockDirectory } from './directory-lock.js';
import { Journal, type JournalContent } from './journal.js';

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
  private compactBeyondBytes: number;

  private constructor(
    private readonly journal: Journal,
    private readonly initial: ConfigState,
    private readonly unlock: () => Promise<void>,
    private readonly log: Logger,
    private readonly compactMinBytes: number,
  ) {
    this.compactBeyondBytes = this.thresholdFor(Buffer.byteLength(JSON.stringify(snapshotOf(initial))));
  }

  /**
   * @param compactMinBytes size up to which the journal is never compacted
   * @throws OperatorError naming the directory when it cannot be used or another control plane has it.
   */
  static async open(
    directory: string,
    log: Logger,
    compactMinBytes = COMPACT_MIN_BYTES,
  ): Promise<FileBackend> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const unlock = await lockDirectory(directory);
    let journal: Journal | undefined;
    try {
      const path = join(directory, 'config.journal');
      const opened = await Journal.open(path);
      journal = opened.journal;
      const { content } = opened;
      const state = content === undefined ? emptyState() : replay(content, path);
      if (content === undefined) await journal.rewrite([snapshotOf(state)]);
      else await putInOrder({ journal, content, path }, state, log);
      return new FileBackend(journal, state, unlock, log, compactMinBytes);
    } catch (error) {
      await journal?.close();
      await unlock();
      throw error;
    }
  }

  async load(): Promise<ConfigState> {
    return this.initial;
  }

  async append(change: Change, state: ConfigState): Promise<void> {
    await this.journal.append({ kind: 'change', ...change } satisfies JournalRecord);
    if (this.journal.size <= this.compactBeyondBytes) return;
    try {
      await this.journal.rewrite([snapshotOf(state)]);
      this.compactBeyondBytes = this.thresholdFor(this.journal.size);
    } catch (error) {
      // The change itself is on disk. A journal that cannot be compacted is longer than it need be, no more.
      this.log.error({ err: error }, 'the journal could not be compacted; trying again when it has doubled');
      this.compactBeyondBytes = 2 * this.journal.size;
    }
  }

  async close(): Promise<void> {
    await this.journal.close();
    await this.unlock();
  }

  private thresholdFor(snapshotBytes: number): number {
    return Math.max(this.compactMinBytes, COMPACT_FACTOR * snapshotBytes);
  }
}

function emptyState(): ConfigState {
  return { revision: 0, services: new Map(), pinSecret: randomBytes(32) };
}

/** @throws OperatorError where the journal lacks what everything else builds on */
function replay({ records, damagedLines }: JournalContent, path: string): ConfigState {
  const [first, ...rest] = records as readonly JournalRecord[];
  if (first === undefined || damagedLines.includes(1)) {
    throw new OperatorError(
      `${path} is damaged: its first record, which all others build on, cannot be read. ` +
        'Put a backup in its place, or move the file away to start with nothing',
    );
  }
  if (first.kind !== 'snapshot' || first.format !== FORMAT) {
    const found = first.kind === 'snapshot' ? `format ${first.format}` : 'no known format';
    throw new OperatorError(
      `${path} is of ${found}; this version reads and writes format ${FORMAT}. ` +
        'Start the version that wrote it, or name another --data-dir',
    );
  }
  const start: ConfigState = {
    revision: first.revision,
    services: new Map(first.services),
    pinSecret: Buffer.from(first.pinSecret, 'base64'),
  };
  const last = rest.reduce(
    (state, record) => (record.kind === 'change' ? applyChange(state, record) : state),
    start,
  );
  // Numbers that damaged records may have had are not given out again.
  return { ...last, revision: last.revision + damagedLines.length };
}

interface OpenedJournal {
  readonly journal: Journal;
  readonly content: JournalContent;
  readonly path: string;
}

/** Makes the journal whole again where it is not, and tells what was lost. */
async function putInOrder(
  { journal, content, path }: OpenedJournal,
  state: ConfigState,
  log: Logger,
): Promise<void> {
  const { records, damagedLines, tornBytes } = content;
  if (tornBytes > 0) {
    await journal.cutTornEnd();
    log.warn({ path, bytes: tornBytes }, 'cut off a write that a crash had torn; it was never acknowledged');
  }
  if (damagedLines.length === 0) return;
  const copy = await journal.keepCopy();
  log.error(
    { path, copy, lines: damagedLines, revisions: missingRevisions(records as readonly JournalRecord[]) },
    'records of the journal are damaged; the changes in them are lost, the damaged file is kept',
  );
  await journal.rewrite([snapshotOf(state)]);
}

/** Revisions that should be between those that are there. */
function missingRevisions(records: readonly JournalRecord[]): number[] {
  return records.slice(1).flatMap(({ revision }, i) => {
    const before = (records[i] as JournalRecord).revision;
    return Array.from({ length: Math.max(0, revision - before - 1) }, (_, gap) => before + 1 + gap);
  });
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
