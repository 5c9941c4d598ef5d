import type { Random } from './random.js';

/** Longest input; a head that passes the smaller bounds, and several messages, fit in. */
export const MAX_INPUT_BYTES = 4096;

/** What a parser of HTTP/1.1 looks for, and what others have stumbled over. */
const WORDS = [
  '\r\n',
  '\r\n\r\n',
  '\r',
  '\n',
  '\n\n',
  '\0',
  ' ',
  '\t',
  '\x0b',
  '\x7f',
  '\x80',
  '\xff',
  ':',
  ';',
  ',',
  '"',
  '\\',
  '#',
  'GET / HTTP/1.1\r\n',
  'POST /x HTTP/1.0\r\n',
  'HEAD * HTTP/1.1\r\n',
  'OPTIONS * HTTP/1.1\r\n',
  'CONNECT a:80 HTTP/1.1\r\n',
  'http://b/',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n',
  'HTTP/1.1 204 No Content\r\n',
  'HTTP/1.0 304 Not Modified\r\n',
  'Host: a\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 005\r\n',
  'Content-Length: 9007199254740993\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive, x\r\n',
  'Connection: upgrade\r\n',
  'Upgrade: websocket\r\n',
  'Upgrade: h2c\r\n',
  'Expect: 100-continue\r\n',
  'Trailer: x\r\n',
  'X: y\r\n',
  'X : y\r\n',
  ' folded\r\n',
  '0\r\n\r\n',
  '0\r\nX: y\r\n\r\n',
  '5\r\nhello\r\n',
  '5;a="b"\r\nhello\r\n',
  '5',
  'f',
  'ffffffffffffff',
  '10000000000000000',
  '0x5',
  '-1',
  '+5',
].map((word) => Buffer.from(word, 'latin1'));

type Mutation = (input: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  function flipBit(input, random) {
    const changed = Buffer.from(input);
    if (changed.length > 0) {
      const at = random.below(changed.length);
      changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    }
    return changed;
  },
  function replaceByte(input, random) {
    const changed = Buffer.from(input);
    if (changed.length > 0) changed[random.below(changed.length)] = random.below(256);
    return changed;
  },
  function insertWord(input, random) {
    return spliced(input, random.below(input.length + 1), 0, random.pick(WORDS));
  },
  function overwriteWithWord(input, random) {
    const word = random.pick(WORDS);
    return spliced(input, random.below(input.length + 1), word.length, word);
  },
  function cutOut(input, random) {
    return spliced(input, random.below(input.length + 1), 1 + random.below(8), Buffer.alloc(0));
  },
  function cutOffEnd(input, random) {
    return input.subarray(0, random.below(input.length + 1));
  },
  function repeat(input, random) {
    const from = random.below(input.length + 1);
    const part = input.subarray(from, from + 1 + random.below(64));
    const times = random.oneIn(8) ? 1 + random.below(100) : 1;
    return spliced(input, from, 0, Buffer.concat(Array.from({ length: times }, () => part)));
  },
  function insertFromAnother(input, random, others) {
    const other = random.pick(others);
    const from = random.below(other.length + 1);
    const part = other.subarray(from, from + random.below(other.length - from + 1));
    return spliced(input, random.below(input.length + 1), random.below(2) * part.length, part);
  },
  function putBehind(input, random, others) {
    return Buffer.concat([input, random.pick(others)]);
  },
  function changeDigit(input, random) {
    const digits = [...input.keys()].filter((at) => isDigit(input[at] as number));
    const changed = Buffer.from(input);
    if (digits.length > 0) changed[random.pick(digits)] = 0x30 + random.below(10);
    return changed;
  },
  function changeCase(input, random) {
    const changed = Buffer.from(input);
    const at = random.below(input.length + 1);
    if (at < input.length && /[a-z]/i.test(String.fromCharCode(changed[at] as number)))
      changed[at] = (changed[at] as number) ^ 0x20;
    return changed;
  },
];

/** An input made of another by a few small changes. */
export function mutate(input: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  let changed = input;
  for (let left = 1 + random.below(4); left > 0; left--) {
    changed = random.pick(MUTATIONS)(changed, random, others).subarray(0, MAX_INPUT_BYTES);
  }
  return changed;
}

function spliced(input: Buffer, at: number, removed: number, added: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, at), added, input.subarray(at + removed)]);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
