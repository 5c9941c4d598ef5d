import { existsSync } from 'node:fs';
import { OperatorError } from '../../../src/lifecycle/operator-error.js';
import { applyChange, type ConfigState } from '../config-state.js';
import { FORMAT, type JournalRecord, migrate, type SnapshotRecord, stateOf } from '../journal-records.js';
import { type JournalContent, readJournal } from './journal.js';

/** What the files of a data directory came to. */
export interface Recovered {
  readonly state: ConfigState;
  /** Of the journal; undefined where the file was not there. */
  readonly content: JournalContent | undefined;
  /** The journal's beginning could not be read; the state is built on the journal before it. */
  readonly fromPrevious: boolean;
  readonly hasPrevious: boolean;
  /** Format that the journal was in. */
  readonly format: number;
  /** Revisions that should be there and are not. */
  readonly missing: readonly number[];
}

/**
 * The state that a journal and its predecessor tell of; undefined where there is neither.
 *
 * @param content of the journal, where there is one
 * @throws OperatorError where neither has a beginning that can be read
 */
export async function recover(
  content: JournalContent | undefined,
  path: string,
  previousPath: string,
): Promise<Recovered | undefined> {
  const hasPrevious = existsSync(previousPath);
  if (content === undefined && !hasPrevious) return undefined;
  if (content !== undefined && hasBeginning(content)) {
    const [first, ...rest] = content.records as readonly JournalRecord[];
    const start = startOf(first as JournalRecord, path);
    const state = replay(start.state, rest, content.damagedLines.length);
    const missing = missingRevisions(start.state.revision, rest);
    return { state, content, fromPrevious: false, hasPrevious, format: start.format, missing };
  }
  const previous = await readJournal(previousPath);
  if (previous === undefined || !hasBeginning(previous)) throw damaged(path);
  const [first, ...rest] = previous.records as readonly JournalRecord[];
  const start = startOf(first as JournalRecord, previousPath);
  const base = replay(start.state, rest, previous.damagedLines.length);
  const later = (content?.records ?? []) as readonly JournalRecord[];
  // The first line is a snapshot of what the predecessor ends with: losing it loses no number.
  const lost = Math.max(0, (content?.damagedLines.length ?? 0) - 1);
  const missing = missingRevisions(base.revision, later);
  return {
    state: replay(base, later, lost),
    content,
    fromPrevious: true,
    hasPrevious,
    format: start.format,
    missing,
  };
}

/** Revisions that should be between those that are there. A restore may skip some. */
function missingRevisions(start: number, records: readonly JournalRecord[]): number[] {
  let before = start;
  return records.flatMap((record) => {
    const first = before + 1;
    const skips = record.kind === 'change' && record.restored !== undefined;
    before = record.revision;
    return skips ? [] : Array.from({ length: Math.max(0, before - first) }, (_, gap) => first + gap);
  });
}

function hasBeginning({ records, damagedLines }: JournalContent): boolean {
  return records.length > 0 && !damagedLines.includes(1);
}

/** @throws OperatorError where this version cannot read it */
function startOf(first: JournalRecord, path: string): { state: ConfigState; format: number } {
  const isSnapshot = first.kind === 'snapshot';
  const snapshot = isSnapshot ? migrate(first) : undefined;
  if (snapshot !== undefined) return { state: stateOf(snapshot), format: (first as SnapshotRecord).format };
  throw new OperatorError(
    `${path} is of ${isSnapshot ? `format ${first.format}` : 'no known format'}; this version reads and writes ` +
      `format ${FORMAT}. Start the version that wrote it, or name another --data-dir`,
  );
}

/** @param lost records that are damaged; numbers that they may have had are not given out again */
function replay(start: ConfigState, records: readonly JournalRecord[], lost: number): ConfigState {
  const last = records.reduce(
    (state, record) => (record.kind === 'change' ? applyChange(state, record) : state),
    start,
  );
  return { ...last, revision: last.revision + lost };
}

function damaged(path: string): OperatorError {
  return new OperatorError(
    `${path} is damaged: its first record, which all others build on, cannot be read, nor can its predecessor ` +
      'config.journal.previous. Put a backup in its place, or move both away to start with nothing',
  );
}
