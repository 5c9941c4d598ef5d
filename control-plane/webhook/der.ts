/** What of DER (ITU-T X.690) a certificate needs. Every function returns one encoded value. */

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

function encode(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

/** Short form below 128, else the number of bytes and the bytes (section 8.1.3). */
function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = bytesOf(length);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

/** Big-endian, without leading zeros. */
function bytesOf(value: number): number[] {
  return value < 0x100 ? [value] : [...bytesOf(Math.floor(value / 0x100)), value % 0x100];
}

export function sequence(...values: readonly Buffer[]): Buffer {
  return encode(TAG.sequence, Buffer.concat(values));
}

export function setOf(...values: readonly Buffer[]): Buffer {
  return encode(TAG.set, Buffer.concat(values));
}

/** A whole number that is not negative, big-endian. */
export function integer(bytes: Buffer): Buffer {
  const negative = ((bytes[0] ?? 0) & 0x80) !== 0;
  return encode(TAG.integer, negative ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

export function booleanTrue(): Buffer {
  return encode(TAG.boolean, Buffer.of(0xff));
}

/** @param unused bits of the last byte that do not count */
export function bitString(bytes: Buffer, unused = 0): Buffer {
  return encode(TAG.bitString, Buffer.concat([Buffer.of(unused), bytes]));
}

export function octetString(bytes: Buffer): Buffer {
  return encode(TAG.octetString, bytes);
}

export function utf8String(text: string): Buffer {
  return encode(TAG.utf8String, Buffer.from(text));
}

/** `2.5.29.17`: the first two numbers share a byte, the others have seven bits a byte (section 8.19). */
export function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return encode(TAG.objectId, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const low = value & 0x7f;
  const high = Math.floor(value / 0x80);
  return high === 0 ? [low] : [...base128(high).map((byte) => byte | 0x80), low];
}

/** UTCTime up to 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5); in whole seconds. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  if (date.getUTCFullYear() < 2050) return encode(TAG.utcTime, Buffer.from(digits.slice(2)));
  return encode(TAG.generalizedTime, Buffer.from(digits));
}

/** A value with a tag of its context; `constructed` if it holds encoded values. */
export function tagged(tag: number, content: Buffer, constructed: boolean): Buffer {
  return encode(0x80 | tag | (constructed ? 0x20 : 0), content);
}
