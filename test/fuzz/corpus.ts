import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { garbage, request, response } from '../support/http1/arbitraries.js';
import { ODD_REQUESTS } from '../support/http1/odd-corpus.js';
import { BROKEN_CHUNKS, REFUSED_HEADS } from '../support/http1/smuggling-corpus.js';
import { HTTP2_SEEDS } from './http2-invariants.js';
import type { Target } from './invariants.js';
import { MAX_INPUT_BYTES } from './mutations.js';

/** The kept corpus: a folder per target, a file per input, named for what is in it. */
export const CORPUS_FOLDER = fileURLToPath(new URL('../../../test/fuzz/corpus', import.meta.url));

/** @returns the kept inputs of a target, in the order of their names */
export function keptInputs(target: Target, folder = CORPUS_FOLDER): Buffer[] {
  const path = join(folder, target);
  mkdirSync(path, { recursive: true });
  return readdirSync(path)
    .sort()
    .map((name) => readFileSync(join(path, name)));
}

/** @returns the file that the input is in now */
export function keep(
  target: Target,
  input: Uint8Array,
  kind: 'seen' | 'crash' | 'hang',
  folder = CORPUS_FOLDER,
) {
  const digest = createHash('sha256').update(input).digest('hex').slice(0, 16);
  const path = join(folder, target, `${kind}-${digest}`);
  mkdirSync(join(folder, target), { recursive: true });
  writeFileSync(path, input);
  return path;
}

/** What mutation starts from beside the kept inputs: what the tests' own tables and generators know of. */
export function seedInputs(target: Target, seed: number): Buffer[] {
  const options = { seed, numRuns: 200 };
  const requests = [...ODD_REQUESTS, ...REFUSED_HEADS, ...BROKEN_CHUNKS].map(({ bytes }) => bytes);
  const texts = {
    requests: () => [...requests, ...fc.sample(request, options).map(({ bytes }) => bytes)],
    responses: () => fc.sample(response, options).map(({ bytes }) => bytes),
    http2: () => HTTP2_SEEDS.map((bytes) => bytes.toString('latin1')),
    chunks: () => requests.filter((bytes) => /chunked/i.test(bytes)).map(bodyOf),
  }[target]();
  return [...texts, ...fc.sample(garbage, options)].map((text) =>
    Buffer.from(text, 'latin1').subarray(0, MAX_INPUT_BYTES),
  );
}

function bodyOf(message: string): string {
  return message.slice(message.indexOf('\r\n\r\n') + 4);
}
