import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { endpointOf, PIN_BYTES, writePin } from '../routing/pins.js';
import type { SharedSession } from './shared-pin.js';

/**
 * Shared sessions as bytes. A record has three AES blocks, chained as in CBC:
 *
 * ```
 *   session hash (8) | tag (4) | zeros (4)
 *   release (6) | endpoint (6) | label (1) | source (1) | generation (2)
 *   revision (4) | idle seconds (4) | zeros (8)
 * ```
 *
 * The key is derived from the service's pin secret. Equal sessions have equal first blocks; nothing else can be learned
 * from records without the key. The zeros tell records of another
 * service or secret, and damaged ones, from good ones.
 */
export const RECORD_BYTES = 48;
const BLOCK = 16;
const WORD = 4;
const BLOCKS = RECORD_BYTES / BLOCK;
/** Where each part begins in its block. */
const LABEL_AT = PIN_BYTES;
const SOURCE_AT = 13;
const GENERATION_AT = 14;
const IDLE_AT = 4;
const TAG_AT = 8;
const ZEROS_AFTER_TAG_AT = 12;
const ZEROS_AT = 8;
const MAX_IDLE_S = 0xffffffff;

/** What came out of a batch. */
export interface ReadRecords {
  readonly sessions: readonly SharedSession[];
  /** Records that could not be read. */
  readonly damaged: number;
}

/** Writes and reads the records of one service. A batch costs four calls of the cipher, however large it is. */
export class PinRecords {
  private readonly key: Buffer;

  /** @param pinSecret the service's */
  constructor(pinSecret: Buffer) {
    this.key = createHmac('sha256', pinSecret).update('shared pins').digest().subarray(0, BLOCK);
  }

  write(sessions: readonly SharedSession[]): Buffer {
    const plain = blocksOf(sessions);
    const records = Buffer.allocUnsafe(sessions.length * RECORD_BYTES);
    let before: Buffer | undefined;
    plain.forEach((blocks, b) => {
      if (before !== undefined) xorInto(blocks, before);
      const encrypted = this.encrypt(blocks);
      for (let i = 0; i < sessions.length; i++)
        encrypted.copy(records, i * RECORD_BYTES + b * BLOCK, i * BLOCK, (i + 1) * BLOCK);
      before = encrypted;
    });
    return records;
  }

  /** What an external store finds sessions by: 16 bytes for each, whatever their tags. */
  locate(hashes: readonly bigint[]): readonly Buffer[] {
    const blocks = Buffer.alloc(hashes.length * BLOCK);
    hashes.forEach((hash, i) => void blocks.writeBigUInt64BE(hash, i * BLOCK));
    const encrypted = this.encrypt(blocks);
    return hashes.map((_, i) => encrypted.subarray(i * BLOCK, (i + 1) * BLOCK));
  }

  /** Reads as many whole records as there are. */
  read(records: Buffer): ReadRecords {
    const count = Math.floor(records.length / RECORD_BYTES);
    const whole = records.subarray(0, count * RECORD_BYTES);
    const [plain, chained] = [viewOf(this.decrypt(whole)), viewOf(whole)];
    const sessions: SharedSession[] = [];
    for (let at = 0; at < whole.length; at += RECORD_BYTES) {
      const session = readRecord(plain, chained, at);
      if (session !== undefined) sessions.push(session);
    }
    const rest = records.length > count * RECORD_BYTES ? 1 : 0;
    return { sessions, damaged: count - sessions.length + rest };
  }

  private encrypt(blocks: Buffer): Buffer {
    const cipher = createCipheriv('aes-128-ecb', this.key, null).setAutoPadding(false);
    return Buffer.concat([cipher.update(blocks), cipher.final()]);
  }

  private decrypt(blocks: Buffer): Buffer {
    const decipher = createDecipheriv('aes-128-ecb', this.key, null).setAutoPadding(false);
    return Buffer.concat([decipher.update(blocks), decipher.final()]);
  }
}

/** The first blocks of all records, then the second ones, then the third ones. */
function blocksOf(sessions: readonly SharedSession[]): readonly Buffer[] {
  const [first, second, third] = Array.from({ length: BLOCKS }, () => Buffer.alloc(sessions.length * BLOCK));
  sessions.forEach(({ hash, pin, idleS, source, tag }, i) => {
    const at = i * BLOCK;
    first?.writeBigUInt64BE(hash, at);
    first?.writeUInt32BE(tag, at + TAG_AT);
    if (second !== undefined) writePin(pin, second, at);
    second?.writeUInt8(Number(pin.label), at + LABEL_AT);
    second?.writeUInt8(source, at + SOURCE_AT);
    second?.writeUInt16BE(pin.generation, at + GENERATION_AT);
    third?.writeUInt32BE(pin.revision >>> 0, at);
    third?.writeUInt32BE(Math.min(Math.max(0, idleS), MAX_IDLE_S), at + IDLE_AT);
  });
  return [first as Buffer, second as Buffer, third as Buffer];
}

/**
 * A sidecar reads every pin of its fleet: views and words, for `npm run bench:sessions`. The first block of a record is
 * not chained with the record before.
 */
function readRecord(plain: DataView, chained: DataView, at: number): SharedSession | undefined {
  const word = (offset: number) =>
    (plain.getUint32(at + offset) ^ chained.getUint32(at + offset - BLOCK)) >>> 0;
  const [second, third] = [BLOCK, 2 * BLOCK];
  const isGood =
    plain.getUint32(at + ZEROS_AFTER_TAG_AT) === 0 &&
    word(third + ZEROS_AT) === 0 &&
    word(third + ZEROS_AT + WORD) === 0;
  const last = word(second + LABEL_AT);
  const label = last >>> 24;
  if (!isGood || label > 1) return undefined;
  const middle = word(second + WORD);
  const release = word(second) * 0x10000 + (middle >>> 16);
  const digest = (middle & 0xffff) * 2 ** 32 + word(second + 2 * WORD);
  // A spread here takes ten times as long as all else.
  return {
    hash: plain.getBigUint64(at),
    pin: {
      release,
      endpoint: endpointOf(release, label === 1, digest),
      label: label === 1,
      generation: last & 0xffff,
      revision: word(third),
    },
    idleS: word(third + IDLE_AT),
    source: (last >>> 16) & 0xff,
    tag: plain.getUint32(at + TAG_AT),
  };
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function xorInto(target: Buffer, other: Buffer): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] as number) ^ (other[i] as number);
}
