import type protobuf from 'protobufjs/light.js';
import protobufjs from 'protobufjs/light.js';
import { codec } from '../../../src/xds/descriptors.js';
import { typeOf } from './descriptor.js';

/** What somebody who means ill, or whose bits have flipped, may send as a resource. */

/** A small generator of numbers that can be made again (mulberry32). */
export class Random {
  constructor(private state: number) {}

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T;
  }
}

/** Texts that mean something to some decoder, and some that mean nothing. */
const TEXTS = [
  '',
  'a',
  '*',
  '%',
  '%REQ(a)%',
  ':method',
  'GET',
  'host',
  'x\r\ny',
  '\0',
  'ü',
  '/a/b',
  'a.test',
  '*.a.test',
  '10.0.0.1',
  '::1',
  '5xx,reset',
  'retriable-status-codes',
  '__proto__',
  'constructor',
  'a'.repeat(5000),
  '(a|b)*c',
  '(((((',
  '\\pL{1000}'.repeat(50),
  'a{1000}',
  '\\1',
  '\\',
  'envoy.filters.http.fault',
];
const NUMBERS = [0, 1, 2, 7, 80, 100, 1000, 65_535, 65_536, 4_294_967_295];
const DOUBLES = [0, 1, 50, 100, -1, 1e308, Number.NaN, Number.POSITIVE_INFINITY];
const MAX_DEPTH = 12;

/** A message of this type with fields at random, at all depths. @param packed types that an Any may hold */
export function randomMessage(typeName: string, random: Random, packed: readonly string[]): object {
  return messageOf(typeOf(typeName), random, packed, 0);
}

function messageOf(type: protobuf.Type, random: Random, packed: readonly string[], depth: number): object {
  if (type.fullName === '.google.protobuf.Any') return anyOf(random, packed, depth);
  const message: Record<string, unknown> = {};
  const density = depth < 2 ? 0.4 : 0.15;
  for (const field of type.fieldsArray) {
    if (random.next() > density || depth > MAX_DEPTH) continue;
    const value = () => fieldValue(field, random, packed, depth + 1);
    if (field.map) message[field.name] = { [random.pick(TEXTS)]: value() };
    else if (field.repeated) message[field.name] = Array.from({ length: random.below(4) }, value);
    else message[field.name] = value();
  }
  return message;
}

function fieldValue(
  field: protobuf.Field,
  random: Random,
  packed: readonly string[],
  depth: number,
): unknown {
  const { resolvedType, type } = field;
  if (resolvedType instanceof protobufjs.Enum)
    return random.pick([...Object.values(resolvedType.values), 99]);
  if (resolvedType instanceof protobufjs.Type) return messageOf(resolvedType, random, packed, depth);
  if (type === 'string') return random.pick(TEXTS);
  if (type === 'bytes') return Buffer.from([random.below(256), random.below(256)]);
  if (type === 'bool') return random.next() < 0.5;
  if (type === 'double' || type === 'float') return random.pick(DOUBLES);
  const number = random.pick(NUMBERS);
  return type.startsWith('u') || type.startsWith('fixed') ? number : random.pick([number, -number]);
}

function anyOf(random: Random, packed: readonly string[], depth: number): object {
  const typeName = random.pick(packed);
  const inner = random.next() < 0.1 ? Buffer.from([0xff, 0xff, random.below(256)]) : undefined;
  const value = inner ?? codec(typeName).encode(messageOf(typeOf(typeName), random, packed, depth + 1));
  return { typeUrl: `type.googleapis.com/${typeName}`, value };
}

/** The same bytes with a few changes: flipped, cut out, put in twice, overwritten with what numbers end with. */
export function mutated(bytes: Uint8Array, random: Random): Buffer {
  let result: Buffer = Buffer.from(bytes);
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(result.length + 1);
    const length = random.below(8);
    const [before, middle, after] = [
      result.subarray(0, at),
      result.subarray(at, at + length),
      result.subarray(at + length),
    ];
    switch (random.below(5)) {
      case 0:
        result = Buffer.concat([before, after]);
        break;
      case 1:
        result = Buffer.concat([before, middle, middle, after]);
        break;
      case 2:
        result = Buffer.concat([before, Buffer.alloc(length, 0xff), after]);
        break;
      case 3:
        result = Buffer.concat([before, Buffer.from([random.below(256)]), middle, after]);
        break;
      default:
        if (at < result.length) result[at] = (result[at] as number) ^ (1 << random.below(8));
    }
  }
  return result;
}
