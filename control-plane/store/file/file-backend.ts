import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectoryOf } from '../../../src/lifecycle/durable-file.js';
import { keepOutOfGit } from '../../../src/lifecycle/keep-out-of-git.js';
import type { Logger } from '../../../src/telemetry/logger.js';
import type { StoreBackend } from '../backend.js';
import { type Change, type ConfigState, emptyState } from '../config-state.js';
import { FORMAT, type JournalRecord, snapshotOf } from '../journal-records.js';
import { lockDirectory } from './directory-lock.js';
import { Journal } from './journal.js';
import { type Recovered, recover } from './recovery.js';

/** The journal is rewritten as one snapshot when it has grown to this many times the snapshot, and beyond 1 MiB. */
const COMPACT_FACTOR = 4;
const COMPACT_MIN_BYTES = 1024 * 1024;

/**
 * The embedded store: one journal in a data directory, every commit synced before it is acknowledged. The journal
 * before the last compaction is kept beside it (`config.journal.previous`): it ends where the present one begins, so
 * that damage to the snapshot at the beginning costs nothing.
 */
export class FileBackend implements StoreBackend {
  private compactBeyondBytes: number;

  private constructor(
    readonly name: string,
    private readonly journal: Journal,
    private readonly previous: string,
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
    // A directory that was made now must be there after a power failure too.
    const made = await mkdir(directory, { recursive: true, mode: 0o700 });
    if (made !== undefined) await syncDirectoryOf(made);
    await keepOutOfGit(directory);
    const unlock = await lockDirectory(directory);
    let journal: Journal | undefined;
    try {
      const path = join(directory, 'config.journal');
      const previous = `${path}.previous`;
      const opened = await Journal.open(path);
      journal = opened.journal;
      const recovered = await recover(opened.content, path, previous);
      const state = recovered?.state ?? emptyState(randomBytes(32));
      await putInOrder({ journal, path, previous }, recovered, state, log);
      return new FileBackend(directory, journal, previous, state, unlock, log, compactMinBytes);
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
      await this.journal.rewrite([snapshotOf(state)], this.previous);
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

interface Files {
  readonly journal: Journal;
  readonly path: string;
  readonly previous: string;
}

/** Brings the files to what is expected of them: whole, in the present format, with a predecessor. */
async function putInOrder(
  files: Files,
  recovered: Recovered | undefined,
  state: ConfigState,
  log: Logger,
): Promise<void> {
  const { journal, previous } = files;
  const snapshot = snapshotOf(state);
  if (recovered === undefined) return startAnew(journal, previous, [snapshot]);
  const { content, format } = recovered;
  if (content !== undefined && content.tornBytes > 0 && !recovered.fromPrevious) {
    await journal.cutTornEnd();
    log.warn(
      { path: files.path, bytes: content.tornBytes },
      'cut off a write that a crash had torn; it was never acknowledged',
    );
  }
  const damaged = recovered.fromPrevious || (content?.damagedLines.length ?? 0) > 0;
  if (damaged) {
    await reportDamage(files, recovered, log);
    await startAnew(journal, previous, [snapshot]);
  } else if (format !== FORMAT) {
    const copy = await journal.keepCopy(`format-${format}`);
    log.info({ from: format, to: FORMAT, copy }, 'the journal was migrated; the old one is kept');
    await startAnew(journal, previous, [snapshot]);
  } else if (!recovered.hasPrevious) await journal.rewrite([snapshot], previous);
}

/** Twice, so that the journal has a predecessor from the beginning. */
async function startAnew(
  journal: Journal,
  previous: string,
  records: readonly JournalRecord[],
): Promise<void> {
  await journal.rewrite(records);
  await journal.rewrite(records, previous);
}

async function reportDamage(
  { journal, path, previous }: Files,
  { content, fromPrevious, missing, state }: Recovered,
  log: Logger,
): Promise<void> {
  if (content === undefined) {
    log.error(
      { path, previous, revision: state.revision },
      'the journal was missing; going on from its predecessor, which ends where it began',
    );
    return;
  }
  const copy = await journal.keepCopy(`damaged-${Date.now()}`);
  const lines = content.damagedLines;
  if (fromPrevious)
    log.error(
      { path, copy, previous, lines, revision: state.revision },
      'the beginning of the journal is damaged and was taken from its predecessor; the damaged file is kept',
    );
  if (lines.some((line) => line > 1) || missing.length > 0)
    log.error(
      { path, copy, lines, revisions: missing },
      'records of the journal are damaged; the changes in them are lost, the damaged file is kept',
    );
}
