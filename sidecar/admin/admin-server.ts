import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Scraper } from '../../src/telemetry/scrape.js';
import { formatSamples } from './format-samples.js';
import type { Readiness } from './readiness.js';
import { SAMPLES_KEPT, type Sample } from './request-samples.js';

export interface AdminSources {
  readiness(): Readiness;
  readonly scraper: Scraper;
  /** The newest requests, the newest first. */
  samples(count: number): readonly Sample[] | Promise<readonly Sample[]>;
  configDump(): object;
  /** An `envoy.service.status.v3.ClientStatusResponse` in protobuf's JSON form. */
  clientStatus(): object;
  clusters(): object | Promise<object>;
  drain(): void;
}

interface AdminCall {
  readonly sources: AdminSources;
  readonly query: URLSearchParams;
  readonly accepts: string;
  readonly response: ServerResponse;
}

type Handler = (call: AdminCall) => void | Promise<void>;

const HANDLERS: Readonly<Record<string, Handler>> = {
  'GET /ready': ({ sources, response }) => {
    const { ready, text } = sources.readiness();
    sendText(response, ready ? 200 : 503, text);
  },
  'GET /metrics': ({ sources, response }) => sources.scraper.answer(response),
  'GET /config_dump': ({ sources, response }) => sendJson(response, sources.configDump()),
  'GET /client_status': ({ sources, response }) => sendJson(response, sources.clientStatus()),
  'GET /clusters': async ({ sources, response }) => sendJson(response, await sources.clusters()),
  'GET /debug/requests': sendSamples,
  'POST /drain': ({ sources, response }) => {
    sources.drain();
    sendText(response, 200, 'draining');
  },
};

/** The admin port, and with `--metrics` a second one that serves the same. */
export function createAdminServer(sources: AdminSources): Server {
  return createServer((request, response) => {
    handle(sources, request, response).catch((error: Error) => {
      if (response.headersSent) response.destroy(error);
      else sendText(response, 500, error.message);
    });
  });
}

async function handle(
  sources: AdminSources,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const handler = HANDLERS[`${method} ${path}`];
  if (handler !== undefined) {
    const accepts = request.headers.accept ?? '';
    await handler({ sources, response, accepts, query: new URLSearchParams(query) });
    return;
  }
  const elsewhere = Object.keys(HANDLERS).find((key) => key.endsWith(` ${path}`));
  if (elsewhere !== undefined) sendText(response, 405, `use ${elsewhere}`);
  else sendText(response, 404, `there is ${Object.keys(HANDLERS).join(', ')}`);
}

const DEFAULT_SAMPLES = 50;

/** The last few requests: JSON, or a table for people with `?format=text` or `Accept: text/plain`. */
async function sendSamples({ sources, query, accepts, response }: AdminCall): Promise<void> {
  const count = Number(query.get('n') ?? DEFAULT_SAMPLES);
  const format = query.get('format') ?? (accepts.startsWith('text/plain') ? 'text' : 'json');
  if (!Number.isInteger(count) || count < 1 || !['json', 'text'].includes(format)) {
    sendText(response, 400, `?n= takes a whole number from 1 to ${2 * SAMPLES_KEPT}, ?format= json or text`);
    return;
  }
  const samples = await sources.samples(count);
  if (format === 'text') sendText(response, 200, formatSamples(samples));
  else sendJson(response, { requests: samples });
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

function sendJson(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(value, null, 2)}\n`);
}
