import { type PinRecords, RECORD_BYTES } from '../../../src/sessions/pin-records.js';
import { OWN_SOURCE, type SharedSession } from '../../../src/sessions/shared-pin.js';

/** A session as the store has it. */
export interface StoredPin {
  readonly key: string;
  /** Its record. */
  readonly value: Buffer;
}

const PREFIX = 'roost:';

/** Where a session is found. */
export function storeKey(records: PinRecords, hash: bigint): string {
  return storeKeys(records, [hash])[0] as string;
}

function storeKeys(records: PinRecords, hashes: readonly bigint[]): string[] {
  return records.locate(hashes).map((locator) => PREFIX + locator.toString('base64url'));
}

/** Equal pins of a session have equal values: where a pin comes from and when it was used last is left out. */
export function toStored(records: PinRecords, sessions: readonly SharedSession[]): StoredPin[] {
  const bytes = records.write(sessions.map(withoutPast));
  const keys = storeKeys(
    records,
    sessions.map(({ hash }) => hash),
  );
  return keys.map((key, i) => ({ key, value: bytes.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES) }));
}

/** @returns undefined: the value is not a pin of this session */
export function fromStored(records: PinRecords, hash: bigint, value: Buffer): SharedSession | undefined {
  if (value.length !== RECORD_BYTES) return undefined;
  const [session] = records.read(value).sessions;
  return session?.hash === hash ? withoutPast(session) : undefined;
}

function withoutPast(session: SharedSession): SharedSession {
  return { ...session, idleS: 0, source: OWN_SOURCE };
}
