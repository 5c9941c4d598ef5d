import { METHODS } from 'node:http';
import { DEFAULT_LIMITS, type HttpLimits } from '../../sidecar/http/limits.js';
import { ProtocolError } from '../../sidecar/http/protocol-error.js';
import { ChunkedScanner } from '../../sidecar/http1/chunked-scanner.js';
import { forwardedTrailers } from '../../sidecar/http1/trailers.js';
import { normalAuthority } from '../../src/http/authority.js';
import { fieldLines } from '../../src/http/field-line.js';
import { contentOf, sameMessage } from '../support/http1/oracles.js';
import {
  type AnswerMode,
  forwardedBytes,
  type SeenMessage,
  type SeenRequest,
  transcribeRequests,
  transcribeResponse,
} from '../support/http1/transcripts.js';

import { http2Outcome, misread, transcribeHttp2 } from './http2-invariants.js';
import { readByNode } from './node-reader.js';

/**
 * What must hold of any bytes whatsoever. Each check reads an input whole and cut, and throws when the codec throws
 * anything but a ProtocolError (which its connections turn into an answer), when where it is cut makes a difference,
 * or when what is forwarded would be read as something else by the next hop, ours or `node:http`. It returns what became of the input, in
 * short: inputs with the same are much alike.
 */
export type Check = (input: Buffer, cuts: readonly Cut[], limits: HttpLimits) => string;

/** An input in pieces. */
export type Cut = (input: Buffer) => Buffer[];

/** Something that must hold does not. */
export class Violation extends Error {}

export const LIMITS: readonly [HttpLimits, ...HttpLimits[]] = [
  DEFAULT_LIMITS,
  // Small enough for an input to pass them.
  { ...DEFAULT_LIMITS, maxHeadBytes: 200, maxFields: 5, maxTrailerBytes: 64, maxInterimResponses: 2 },
];

/** For the next hop, whose head is longer by what this one has added. */
const ROOMY: HttpLimits = { ...DEFAULT_LIMITS, maxFields: 200 };

export const checkRequests: Check = (input, cuts, limits) => {
  const whole = transcribeRequests([input], 'at-once', limits);
  const outcome = requestOutcome(whole);
  for (const cut of cuts) {
    for (const mode of MODES)
      expectSame('requests', outcome, requestOutcome(transcribeRequests(cut(input), mode, limits)));
  }
  for (const seen of whole.requests.filter(({ complete }) => complete)) {
    const bytes = forwardedBytes(seen);
    const again = transcribeRequests([bytes], 'at-once', ROOMY);
    const isSame = again.refused === undefined && again.requests.length === 1;
    if (!isSame || !sameMessage(seen, again.requests[0]))
      throw new Violation(`a forwarded request reads differently: ${JSON.stringify(bytes)}`);
    expectNodeAgrees(seen, bytes);
  }
  const kinds = whole.requests.map(({ framing, complete, method }) => [framing, complete, method.length]);
  return `${JSON.stringify(kinds.slice(0, 3))} ${whole.refused?.detail ?? ''}`;
};

/** What is forwarded, a server that is not ours takes for the same; it knows fewer methods. */
function expectNodeAgrees(seen: SeenRequest, bytes: string): void {
  if (seen.method === 'CONNECT' || !METHODS.includes(seen.method)) return;
  const read = readByNode(bytes)?.map((each) => ({ ...each, host: normalAuthority(each.host) }));
  const { method, target, authority: host } = seen;
  const ours = [{ method, target, host, body: contentOf(seen), complete: true }];
  if (JSON.stringify(read) !== JSON.stringify(ours))
    throw new Violation(`node:http reads ${JSON.stringify(bytes)} as ${JSON.stringify(read) ?? 'malformed'}`);
}

const MODES: readonly AnswerMode[] = ['at-once', 'later'];

function requestOutcome({ requests, refused, answer, closed }: ReturnType<typeof transcribeRequests>) {
  const statuses = answer.match(/HTTP\/1\.1 \d+/g) ?? [];
  // Of several faults, the one that is seen first is named.
  if (refused !== undefined) statuses[statuses.length - 1] = 'refused';
  return JSON.stringify({ requests: requests.map(settledPart), statuses, closed });
}

/** Of a message that broke off, how much of its body went on before depends on what came together. */
function settledPart(message: SeenMessage): object {
  return message.complete ? message : { ...message, body: '' };
}

export const checkResponses: Check = (input, cuts, limits) => {
  const signatures: string[] = [];
  for (const method of ['GET', 'HEAD']) {
    for (const ends of [false, true]) {
      const options = { method, ends, limits };
      const whole = transcribeResponse([input], options);
      const outcome = responseOutcome(whole);
      for (const cut of cuts)
        expectSame('responses', outcome, responseOutcome(transcribeResponse(cut(input), options)));
      checkForwarded(whole, method);
      const last = whole.responses.at(-1);
      signatures.push(
        `${whole.responses.length} ${last?.framing} ${last?.complete} ${whole.failure?.reason} ${whole.reusable}`,
      );
    }
  }
  return signatures.join();
};

function checkForwarded({ responses }: ReturnType<typeof transcribeResponse>, method: string): void {
  const final = responses.at(-1);
  if (final?.status === 101 || !final?.complete || final.status < 200) return;
  const bytes = responses.map(forwardedBytes).join('');
  const again = transcribeResponse([bytes], { method, ends: final.framing === 'until-close', limits: ROOMY });
  const isSame = again.failure === undefined && again.responses.length === responses.length;
  if (!isSame || !responses.every((response, i) => sameMessage(response, again.responses[i])))
    throw new Violation(`a forwarded response reads differently: ${JSON.stringify(bytes)}`);
}

function responseOutcome(transcript: ReturnType<typeof transcribeResponse>) {
  const { responses, failure, reusable, tunnelled, closed } = transcript;
  return JSON.stringify({
    responses: responses.map(settledPart),
    failure: failure?.kind,
    reusable,
    tunnelled,
    closed,
  });
}

export const checkChunks: Check = (input, cuts, limits) => {
  const raw = scan([input], 'raw', limits);
  const content = scan([input], 'content', limits);
  for (const cut of cuts) {
    expectSame('raw chunks', JSON.stringify(raw), JSON.stringify(scan(cut(input), 'raw', limits)));
    expectSame('content', JSON.stringify(content), JSON.stringify(scan(cut(input), 'content', limits)));
  }
  if (raw.error !== content.error || raw.used !== content.used)
    throw new Violation('both modes of reading chunks must agree where they end');
  if (raw.done) {
    const forwarded = Buffer.from(`${raw.taken}${raw.trailers}\r\n`, 'latin1');
    const again = scan([forwarded], 'content', limits);
    if (!again.done || again.used !== forwarded.length || again.taken !== content.taken)
      throw new Violation(
        `forwarded chunks read differently: ${JSON.stringify(forwarded.toString('latin1'))}`,
      );
  }
  return `${raw.error} ${raw.done} ${Math.min(3, content.taken.length)} ${raw.trailers !== ''}`;
};

/** What a scanner makes of pieces, until the body ends or an error does it. */
function scan(pieces: readonly Buffer[], mode: 'raw' | 'content', limits: HttpLimits) {
  const scanner = new ChunkedScanner(limits.maxTrailerBytes);
  scanner.reset(mode);
  let taken = '';
  let used = 0;
  try {
    for (const piece of pieces) {
      if (scanner.done) break;
      used += scanner.scan(piece, 0, (from, start, end) => (taken += from.toString('latin1', start, end)));
    }
    const trailers = scanner.done ? fieldLines(forwardedTrailers(scanner.trailers, limits.maxFields)) : '';
    return { taken: scanner.done ? taken : '', used, trailers, done: scanner.done, error: '' };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { taken: '', used: 0, trailers: '', done: false, error: 'refused' };
  }
}

function expectSame(what: string, whole: string, cut: string): void {
  if (cut !== whole)
    throw new Violation(`${what} depend on where they are cut\n  whole: ${whole}\n  cut:   ${cut}`);
}

/** An input in two pieces at every place, and byte by byte. */
export function everyCut(length: number): Cut[] {
  const inTwo = Array.from({ length: Math.max(0, length - 1) }, (_, i) => cutAt([i + 1]));
  return [...inTwo, byteByByte];
}

export function cutAt(places: readonly number[]): Cut {
  const sorted = [...places].sort((a, b) => a - b);
  return (input) =>
    [0, ...sorted].map((from, i) => input.subarray(from, sorted[i])).filter(({ length }) => length > 0);
}

export const byteByByte: Cut = (input) => Array.from(input, (_, at) => input.subarray(at, at + 1));

/** A connection's frames: what a client sends behind its preface. */
export const checkHttp2: Check = (input, cuts, limits) => {
  const whole = transcribeHttp2([input], limits);
  const outcome = http2Outcome(whole);
  for (const cut of cuts) expectSame('frames', outcome, http2Outcome(transcribeHttp2(cut(input), limits)));
  for (const seen of whole.requests) {
    // What a CONNECT opens is not a message.
    if (!seen.complete || seen.request.method === 'CONNECT' || seen.request.upgradeOffer !== undefined)
      continue;
    const problem = misread(seen, ROOMY);
    if (problem !== undefined) throw new Violation(problem);
  }
  const kinds = whole.requests.map(({ complete, failure }) => [complete, failure]);
  return `${JSON.stringify(kinds.slice(0, 3))} ${whole.malformed[0]} ${whole.end}`;
};

export const CHECKS = {
  requests: checkRequests,
  responses: checkResponses,
  chunks: checkChunks,
  http2: checkHttp2,
} as const;
export type Target = keyof typeof CHECKS;
