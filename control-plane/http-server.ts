import { createServer, type Server } from 'node:http';
import type { Scraper } from '../src/telemetry/scrape.js';

/**
 * The control plane's HTTP port: `/ready` and `/metrics`.
 *
 * @param notReady why it is not ready; undefined: it is
 */
export function createHttpServer(notReady: () => string | undefined, scraper: Scraper): Server {
  return createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end('use GET\n');
      return;
    }
    if (path === '/ready') {
      const reason = notReady();
      response
        .writeHead(reason === undefined ? 200 : 503, { 'content-type': 'text/plain' })
        .end(`${reason ?? 'ready'}\n`);
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
