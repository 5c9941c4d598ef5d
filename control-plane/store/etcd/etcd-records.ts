import { OperatorError } from '../../../src/lifecycle/operator-error.js';
import type { Change } from '../config-state.js';

/** Version of what is kept in etcd; raised when an older control plane could not read it. */
export const ETCD_FORMAT = 1;

/** What is in force, and where it is written down: a snapshot, and every commit since. */
export interface Head {
  readonly format: number;
  /** Of the configuration. */
  readonly revision: number;
  /** Name of the last commit, which only its writer knows beforehand. */
  readonly commit: string;
  readonly snapshot: PartsRef;
  /** Of the commits since the snapshot. */
  readonly logBytes: number;
}

/** A text in pieces. */
export interface PartsRef {
  readonly revision: number;
  readonly id: string;
  readonly count: number;
}

/** One commit as it is kept. */
export interface LogEntry {
  readonly commit: string;
  /** The commit that it was made on. */
  readonly previous: string;
  /** Where it is small enough to be kept here. */
  readonly change?: Change;
  readonly parts?: PartsRef;
}

/** Etcd takes 1.5 MiB at once by default; a piece has room to spare. */
export const PART_BYTES = 512 * 1024;

/** Cuts a text into pieces, at least one. */
export function partsOf(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const count = Math.max(1, Math.ceil(bytes.length / PART_BYTES));
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * PART_BYTES, (i + 1) * PART_BYTES));
}

/** @throws OperatorError where a newer control plane wrote it */
export function parseHead(value: Uint8Array): Head {
  const head = JSON.parse(Buffer.from(value).toString('utf8')) as Head;
  if (head.format === ETCD_FORMAT) return head;
  throw new OperatorError(
    `what etcd has is of format ${head.format}; this version reads and writes format ${ETCD_FORMAT}. ` +
      'Run the version that wrote it, or name another prefix in --store',
  );
}
