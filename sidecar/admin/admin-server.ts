import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';

export interface AdminSources {
  /** Undefined: ready. Else why not. */
  notReady(): string | undefined;
  readonly metrics: Registry;
  configDump(): object;
  /** An `envoy.service.status.v3.ClientStatusResponse` in protobuf's JSON form. */
  clientStatus(): object;
  clusters(): object;
  drain(): void;
}

type Handler = (sources: AdminSources, response: ServerResponse) => void | Promise<void>;

const HANDLERS: Readonly<Record<string, Handler>> = {
  'GET /ready': (sources, response) => {
    const reason = sources.notReady();
    sendText(response, reason === undefined ? 200 : 503, reason ?? 'ready');
  },
  'GET /metrics': async ({ metrics }, response) => {
    response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.metrics());
  },
  'GET /config_dump': (sources, response) => sendJson(response, sources.configDump()),
  'GET /client_status': (sources, response) => sendJson(response, sources.clientStatus()),
  'GET /clusters': (sources, response) => sendJson(response, sources.clusters()),
  'POST /drain': (sources, response) => {
    sources.drain();
    sendText(response, 200, 'draining');
  },
};

/** The admin port, and with `--metrics` a second one that serves the same. */
export function createAdminServer(sources: AdminSources): Server {
  return createServer((request, response) => {
    handle(sources, request, response).catch((error: Error) => sendText(response, 500, error.message));
  });
}

async function handle(
  sources: AdminSources,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] as string;
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const handler = HANDLERS[`${method} ${path}`];
  if (handler !== undefined) {
    await handler(sources, response);
    return;
  }
  const elsewhere = Object.keys(HANDLERS).find((key) => key.endsWith(` ${path}`));
  if (elsewhere !== undefined) sendText(response, 405, `use ${elsewhere}`);
  else sendText(response, 404, `there is ${Object.keys(HANDLERS).join(', ')}`);
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

function sendJson(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(value, null, 2)}\n`);
}
