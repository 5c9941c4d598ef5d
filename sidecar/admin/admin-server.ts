import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { printableJson, printableLines } from '../../src/telemetry/printable.js';
import type { Scraper } from '../../src/telemetry/scrape.js';
import { formatSamples } from '../records/format-samples.js';
import { SAMPLES_KEPT, type Sample } from '../records/request-samples.js';
import { adminRefusal } from './admin-guard.js';
import { appListens } from './app-port.js';
import type { Readiness } from './readiness.js';

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
  /** Takes drain back. @returns why that cannot be done; undefined: the sidecar serves again */
  serveAgain(): Promise<string | undefined>;
}

interface AdminCall {
  readonly sources: AdminSources;
  readonly query: URLSearchParams;
  readonly accepts: string;
  /** The address of this machine that the client called. */
  readonly localAddress: string | undefined;
  readonly response: ServerResponse;
}

type Handler = (call: AdminCall) => void | Promise<void>;
type Handlers = Readonly<Record<string, Handler>>;

/** What scrapers and the kubelet need. All of it may be seen from other machines. */
const PROBES: Handlers = {
  'GET /live': ({ response }) => sendText(response, 200, 'alive'),
  'GET /ready': ({ sources, response }) => {
    const { ready, text } = sources.readiness();
    sendText(response, ready ? 200 : 503, text);
  },
  'GET /metrics': ({ sources, response }) => sources.scraper.answer(response),
};

const ADMIN: Handlers = {
  ...PROBES,
  'GET /config_dump': ({ sources, response }) => sendJson(response, sources.configDump()),
  'GET /client_status': ({ sources, response }) => sendJson(response, sources.clientStatus()),
  'GET /clusters': async ({ sources, response }) => sendJson(response, await sources.clusters()),
  'GET /debug/requests': sendSamples,
  'POST /drain': ({ sources, query, response }) => {
    if (query.size > 0) {
      sendText(response, 400, 'POST /drain takes no parameters; DELETE /drain takes it back');
      return;
    }
    sources.drain();
    sendText(response, 200, 'draining');
  },
  'DELETE /drain': async ({ sources, response }) => {
    const problem = await sources.serveAgain();
    sendText(response, problem === undefined ? 200 : 409, problem ?? 'serving again');
  },
};

/**
 * The admin port: all that a sidecar tells of itself, and drain, for callers on the machine.
 *
 * @param ownName the host that it listens on
 */
export function createAdminServer(sources: AdminSources, ownName: string): Server {
  return newServer(sources, ADMIN, (request) => adminRefusal(request, ownName));
}

/**
 * What `--metrics` serves, usually on all addresses: nothing that tells of configuration or traffic, nor changes any.
 *
 * @param tcpProbes ports of the app that may be asked for
 */
export function createProbeServer(sources: AdminSources, tcpProbes: readonly number[] = []): Server {
  const ports = tcpProbes.map((port) => [`GET /app-port/${port}`, askApp(port)] as const);
  return newServer(sources, { ...PROBES, ...Object.fromEntries(ports) }, () => undefined);
}

function askApp(port: number): Handler {
  return async ({ localAddress, response }) => {
    const listens = await appListens(port, localAddress);
    const text = `the app ${listens ? 'listens' : 'does not listen'} on port ${port}`;
    sendText(response, listens ? 200 : 503, text);
  };
}

function newServer(
  sources: AdminSources,
  handlers: Handlers,
  refusal: (request: IncomingMessage) => string | undefined,
): Server {
  return createServer((request, response) => {
    const refused = refusal(request);
    if (refused !== undefined) {
      sendText(response, 403, refused);
      return;
    }
    handle(sources, handlers, request, response).catch((error: Error) => {
      if (response.headersSent) response.destroy(error);
      else sendText(response, 500, error.message);
    });
  });
}

async function handle(
  sources: AdminSources,
  handlers: Handlers,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const handler = handlers[`${method} ${path}`];
  if (handler !== undefined) {
    const accepts = request.headers.accept ?? '';
    const { localAddress } = request.socket;
    await handler({ sources, response, accepts, localAddress, query: new URLSearchParams(query) });
    return;
  }
  const others = Object.keys(handlers).filter((key) => key.endsWith(` ${path}`));
  if (others.length > 0) {
    response.setHeader('allow', others.map((key) => key.split(' ')[0]).join(', '));
    sendText(response, 405, `use ${others.join(' or ')}`);
  } else sendText(response, 404, `this port serves ${Object.keys(handlers).join(', ')}`);
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
  response
    .writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
    .end(`${printableLines(text)}\n`);
}

function sendJson(response: ServerResponse, value: object): void {
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(`${printableJson(JSON.stringify(value, null, 2))}\n`);
}
