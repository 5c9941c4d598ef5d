import type { Message } from './descriptors.js';
import { message, text } from './fields.js';

/**
 * How our control plane asks our sidecars which sessions they hold, over the load reporting stream: a question is a
 * name in a response's `clusters`, an answer is a field of a request's node. Only nodes that say they answer are asked.
 */

/** What is asked for. */
export interface SessionQuestion {
  readonly id: number;
  /** Sessions whose entries have one of these, see `sessionTag`. */
  readonly tags: readonly number[];
  /** Sessions that have not been used for longer are left out. */
  readonly ttlMs: number;
  /** Which of them are told: those whose {@link sampleRank} is below. {@link ALL_RANKS}: all. 0: none, only how many. */
  readonly below: number;
}

/** One session that a sidecar holds. The pin's fields are those of `Pin`. */
export interface HeldSession {
  /** Its place in the session table: the key's hash, mixed with the scope. */
  readonly key: bigint;
  /** The key's hash with the service's salt; 0: there is no salt, or the sidecar does not know. */
  readonly saltedHash: bigint;
  /** That salt, see `saltTag`: the service may have another one by now. */
  readonly salt: number;
  readonly tag: number;
  readonly idleMs: number;
  readonly pin: { readonly release: number; readonly endpoint: number; readonly label: boolean };
}

/** An answer, or a part of it: so many sessions at once would hold up their writer and reader. */
export interface SessionAnswer {
  readonly id: number;
  /** Sessions that the question is about, told or not; right in the last part. */
  readonly total: number;
  readonly sessions: readonly HeldSession[];
  readonly isLast: boolean;
}

export const ALL_RANKS = 2 ** 32;
/** Most tags of one question: one for each route and source of a service. */
export const MAX_TAGS = 10_000;
/** Most sessions of all parts of one answer, and about as many as one part has. */
export const MAX_ANSWERED = 100_000;
export const PART = 4000;
/** Most that is read of one part. */
const MAX_PART = 50_000;

/**
 * A number below {@link ALL_RANKS} that has nothing to do with slots and rings. It is the same in every sidecar, so that
 * a session is in the samples of all or of none.
 */
export function sampleRank(high: number, low: number): number {
  let rank = (high ^ Math.imul(low, 0x9e3779b1)) >>> 0;
  rank = Math.imul(rank ^ (rank >>> 16), 0x85ebca6b);
  rank = Math.imul(rank ^ (rank >>> 13), 0xc2b2ae35);
  return (rank ^ (rank >>> 16)) >>> 0;
}

const QUESTION = 'roost.sessions/';

/** The question as a name among a response's `clusters`. */
export function encodeQuestion({ id, tags, ttlMs, below }: SessionQuestion): string {
  return QUESTION + [id, ttlMs, below, ...tags].join(',');
}

/** The question of a load reporting response; undefined: it asks none. */
export function decodeQuestion(response: Message): SessionQuestion | undefined {
  const { clusters } = response;
  const [name] = Array.isArray(clusters) ? clusters : [];
  if (!text(name).startsWith(QUESTION)) return undefined;
  const numbers = text(name)
    .slice(QUESTION.length)
    .split(',', MAX_TAGS + 3)
    .map((digits) => (digits === '' ? Number.NaN : Number(digits)));
  const [id = 0, ttlMs = 0, below = 0, ...tags] = numbers;
  return numbers.every(Number.isSafeInteger) ? { id, ttlMs, below, tags } : undefined;
}

/** In the metadata of a node that answers questions. */
const ANSWERS_FIELD = 'roost.answers-sessions';
const ANSWER_FIELD = 'roost.sessions';

/** A node that says that it answers. */
export function answering(node: object): object {
  return withField(node, ANSWERS_FIELD, { boolValue: true });
}

export function isAnswering(request: Message): boolean {
  return fieldOf(request, ANSWERS_FIELD)?.boolValue === true;
}

export function withAnswer(node: object, answer: SessionAnswer): object {
  return withField(node, ANSWER_FIELD, { stringValue: encodeAnswer(answer).toString('base64') });
}

/** The answer in a load reporting request; undefined: it is a report of load, or the answer is no answer. */
export function decodeAnswer(request: Message): SessionAnswer | undefined {
  const encoded = text(fieldOf(request, ANSWER_FIELD)?.stringValue);
  if (encoded === '') return undefined;
  return readAnswer(Buffer.from(encoded, 'base64'));
}

function withField(node: object, name: string, value: object): object {
  const { metadata } = node as { metadata?: { fields?: object } };
  return { ...node, metadata: { fields: { ...metadata?.fields, [name]: value } } };
}

function fieldOf(request: Message, name: string): Message | undefined {
  return message(message(message(message(request.node)?.metadata)?.fields)?.[name]);
}

/**
 * ```
 * id u32 | total u32 | sessions u32 | pins u32 | is last u32
 * sessions × (key u64 | tag u32 | idle seconds u32 | index of its pin u32)
 * pins × (release f64 | endpoint f64 | label u8)
 * sessions × (salted hash u64 | salt u32), where some session has one
 * ```
 * Versions before salted hashes read and write what comes before them.
 */
const HEAD_BYTES = 20;
const SESSION_BYTES = 20;
const PIN_BYTES = 17;
const SALTED_BYTES = 12;

function encodeAnswer({ id, total, sessions, isLast }: SessionAnswer): Buffer {
  const { pins, indexes } = distinctPins(sessions);
  const isSalted = sessions.some(({ saltedHash }) => saltedHash !== 0n);
  const sessionBytes = SESSION_BYTES + (isSalted ? SALTED_BYTES : 0);
  const bytes = Buffer.alloc(HEAD_BYTES + sessions.length * sessionBytes + pins.length * PIN_BYTES);
  const head = [id, total, sessions.length, pins.length, isLast ? 1 : 0];
  head.forEach((n, i) => void bytes.writeUInt32LE(n >>> 0, i * 4));
  let at = HEAD_BYTES;
  sessions.forEach(({ key, tag, idleMs }, i) => {
    bytes.writeBigUInt64LE(key, at);
    bytes.writeUInt32LE(tag, at + 8);
    bytes.writeUInt32LE(Math.floor(idleMs / 1000) >>> 0, at + 12);
    at = bytes.writeUInt32LE(indexes[i] as number, at + 16);
  });
  for (const pin of pins) {
    bytes.writeDoubleLE(pin.release, at);
    bytes.writeDoubleLE(pin.endpoint, at + 8);
    at = bytes.writeUInt8(pin.label ? 1 : 0, at + 16);
  }
  if (isSalted)
    for (const { saltedHash, salt } of sessions)
      at = bytes.writeUInt32LE(salt, bytes.writeBigUInt64LE(saltedHash, at));
  return bytes;
}

/** Thousands of sessions have the same few pins; an endpoint's digest says whether a label made the pin. */
function distinctPins(sessions: readonly HeldSession[]) {
  const pins: HeldSession['pin'][] = [];
  const known = new Map<number, Map<number, number>>();
  const indexes = sessions.map(({ pin }) => {
    const ofEndpoint = known.get(pin.endpoint) ?? new Map<number, number>();
    known.set(pin.endpoint, ofEndpoint);
    const index = ofEndpoint.get(pin.release) ?? pins.push(pin) - 1;
    ofEndpoint.set(pin.release, index);
    return index;
  });
  return { pins, indexes };
}

function readAnswer(bytes: Buffer): SessionAnswer | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const [id, total, told, kinds, last] = [0, 4, 8, 12, 16].map((at) => bytes.readUInt32LE(at)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const firstPin = HEAD_BYTES + told * SESSION_BYTES;
  const firstSalted = firstPin + kinds * PIN_BYTES;
  const isSalted = bytes.length === firstSalted + told * SALTED_BYTES;
  if (told > MAX_PART || (bytes.length !== firstSalted && !isSalted)) return undefined;
  const pins = Array.from({ length: kinds }, (_, i) => {
    const at = firstPin + i * PIN_BYTES;
    return {
      release: bytes.readDoubleLE(at),
      endpoint: bytes.readDoubleLE(at + 8),
      label: bytes[at + 16] === 1,
    };
  });
  const sessions: HeldSession[] = [];
  for (let i = 0; i < told; i++) {
    const at = HEAD_BYTES + i * SESSION_BYTES;
    const saltedAt = firstSalted + i * SALTED_BYTES;
    const pin = pins[bytes.readUInt32LE(at + 16)];
    if (pin === undefined) return undefined;
    sessions.push({
      key: bytes.readBigUInt64LE(at),
      saltedHash: isSalted ? bytes.readBigUInt64LE(saltedAt) : 0n,
      salt: isSalted ? bytes.readUInt32LE(saltedAt + 8) : 0,
      tag: bytes.readUInt32LE(at + 8),
      idleMs: bytes.readUInt32LE(at + 12) * 1000,
      pin,
    });
  }
  return { id, total, sessions, isLast: last === 1 };
}
