import { createServer, type Server } from 'node:http';
import { printableLines } from '../../src/telemetry/printable.js';
import type { Scraper } from '../../src/telemetry/scrape.js';

/** Whether a control plane is ready, and what people are told. */
export interface Readiness {
  readonly ready: boolean;
  readonly text: string;
}

/** The control plane's HTTP port: `/ready` and `/metrics`. */
export function createHttpServer(readiness: () => Readiness, scraper: Scraper): Server {
  return createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end('use GET\n');
      return;
    }
    if (path === '/ready') {
      const { ready, text } = readiness();
      response
        .writeHead(ready ? 200 : 503, { 'content-type': 'text/plain' })
        .end(`${printableLines(text)}\n`);
    } else if (path === '/metrics') {
      scraper.answer(response).catch((error: Error) => {
        if (response.headersSent) response.destroy(error);
        else response.writeHead(500).end(`${error.message}\n`);
      });
    } else {
      response.writeHead(404).end('there is /ready and /metrics\n');
    }
  });
}
