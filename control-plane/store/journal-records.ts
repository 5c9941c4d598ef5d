import type { ServiceKey } from '../../src/model/mesh-service.js';
import type { Change, ConfigState, ServiceRecord } from './config-state.js';
import { type HistoryEntry, historyOf } from './history.js';

/** Version of the records' format; raised when an older control plane could not read them. */
export const FORMAT = 2;

/** The first record of a journal: everything at one revision. */
export interface SnapshotRecord {
  readonly kind: 'snapshot';
  readonly format: number;
  readonly revision: number;
  /** Base64. */
  readonly pinSecret: string;
  readonly services: readonly (readonly [ServiceKey, ServiceRecord])[];
  /** Since format 2. */
  readonly history: readonly HistoryEntry[];
}

export type JournalRecord = SnapshotRecord | ({ readonly kind: 'change' } & Change);

/**
 * How a snapshot of each older format becomes one of the next. Changes need none: since format 2 they say who made
 * them, and what was before that is not known.
 */
const MIGRATIONS: Readonly<Record<number, (snapshot: SnapshotRecord) => SnapshotRecord>> = {
  1: (snapshot) => ({ ...snapshot, history: [] }),
};

/** A snapshot of any known format as the present one has it; undefined where the format is not known. */
export function migrate(snapshot: SnapshotRecord): SnapshotRecord | undefined {
  let current = snapshot;
  while (current.format !== FORMAT) {
    const step = MIGRATIONS[current.format];
    if (step === undefined) return undefined;
    current = { ...step(current), format: current.format + 1 };
  }
  return current;
}

export function snapshotOf(state: ConfigState): SnapshotRecord {
  return {
    kind: 'snapshot',
    format: FORMAT,
    revision: state.revision,
    pinSecret: state.pinSecret.toString('base64'),
    services: [...state.services],
    history: state.history.entries,
  };
}

export function stateOf({ revision, services, pinSecret, history }: SnapshotRecord): ConfigState {
  return {
    revision,
    services: new Map(services),
    pinSecret: Buffer.from(pinSecret, 'base64'),
    history: historyOf(history),
  };
}
