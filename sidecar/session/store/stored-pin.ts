import { LOCATOR_BYTES, type PinRecords, RECORD_BYTES } from '../../../src/sessions/pin-records.js';
import {
  nextGeneration,
  OWN_SOURCE,
  type SharedPin,
  type SharedSession,
} from '../../../src/sessions/shared-pin.js';

/** A session as the store has it. */
export interface StoredPin {
  readonly key: string;
  readonly value: Buffer;
}

const PREFIX = 'roost:';

/** Where a session is found: `roost:` and what each of its records begins with. */
export function storeKey(records: PinRecords, hash: bigint): string {
  return PREFIX + records.locate(hash).toString('base64url');
}

/** Equal pins of a session have equal values: where a pin comes from and when it was used last is left out. */
export function toStored(records: PinRecords, sessions: readonly SharedSession[]): StoredPin[] {
  const bytes = records.write(sessions.map(({ hash, pin }) => ({ hash, pin, idleS: 0, source: OWN_SOURCE })));
  return sessions.map((_, i) => {
    const record = bytes.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
    const key = PREFIX + record.toString('base64url', 0, LOCATOR_BYTES);
    return { key, value: record.subarray(LOCATOR_BYTES) };
  });
}

/** @returns undefined: the value is no pin of this session */
export function fromStored(records: PinRecords, hash: bigint, value: Buffer): SharedSession | undefined {
  if (value.length !== RECORD_BYTES - LOCATOR_BYTES) return undefined;
  const [session] = records.read(Buffer.concat([records.locate(hash), value])).sessions;
  return session === undefined ? undefined : { ...session, idleS: 0, source: OWN_SOURCE };
}

/** A pin that unpins: it names no release and no endpoint, so that it is valid nowhere, and beats the one before. */
export function unpinned(pin: SharedPin): SharedPin {
  return { release: 0, endpoint: 0, label: false, generation: nextGeneration(pin), revision: 0 };
}
