import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { Logger } from '../../src/telemetry/logger.js';
import {
  type AdmissionRequest,
  answerReview,
  type Decision,
  InvalidReviewError,
  parseReview,
} from './review.js';

/** A decision for each path. */
export type Reviewers = Readonly<Record<string, (request: AdmissionRequest) => Decision | Promise<Decision>>>;

/** A review of an update holds the object twice, and the API server takes objects of 3 MiB at most. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Of all calls together; further ones are answered 503. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
/** The API server uses a handful. */
const MAX_CONNECTIONS = 256;
/** The API server gives up after ten seconds. */
const CALL_TIMEOUT_MS = 10_000;

/** Answers a call without a decision. */
class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * The webhook's port: `POST` of an AdmissionReview, answered by one. Anyone who reaches the port may call it: bodies,
 * connections and time are bounded, and a call changes nothing but its own answer.
 */
export function createWebhookServer(reviewers: Reviewers, tls: SecureContextOptions, log: Logger): Server {
  const held = { bytes: 0 };
  const server = createServer(
    { ...tls, minVersion: 'TLSv1.2', requestTimeout: CALL_TIMEOUT_MS, headersTimeout: CALL_TIMEOUT_MS / 2 },
    (request, response) => {
      answer(reviewers, held, request).then(
        (body) => send(response, 200, 'application/json', JSON.stringify(body)),
        (error: unknown) => fail(request, response, error, log),
      );
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

interface Held {
  bytes: number;
}

async function answer(reviewers: Reviewers, held: Held, request: IncomingMessage): Promise<object> {
  const path = request.url?.split('?')[0] ?? '';
  const review = Object.hasOwn(reviewers, path) ? reviewers[path] : undefined;
  if (review === undefined) throw new HttpError(404, `there is ${Object.keys(reviewers).join(' and ')}`);
  if (request.method !== 'POST') throw new HttpError(405, 'use POST');
  const admission = parseReview(await readBody(request, held));
  return answerReview(admission, await review(admission));
}

async function readBody(request: IncomingMessage, held: Held): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      held.bytes += chunk.length;
      if (size > MAX_BODY_BYTES)
        throw new HttpError(413, `the body is larger than ${MAX_BODY_BYTES / 1024 / 1024} MiB`);
      if (held.bytes > MAX_HELD_BYTES) throw new HttpError(503, 'too many large calls at once');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    held.bytes -= size;
  }
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown, log: Logger): void {
  const status = error instanceof HttpError ? error.status : error instanceof InvalidReviewError ? 400 : 500;
  const { message } = error as Error;
  if (status === 500) log.error({ err: error }, 'a call of the webhook failed');
  if (request.destroyed && !request.complete) {
    response.destroy();
    return;
  }
  // What is left of the body is not read.
  response.setHeader('connection', 'close');
  send(response, status, 'text/plain; charset=utf-8', `${message}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type }).end(body);
}
