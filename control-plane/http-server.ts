import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';

/** The control plane's HTTP port: `/ready` and `/metrics`. */
export function createHttpServer(isReady: () => boolean, metrics: Registry): Server {
  return createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end('use GET\n');
      return;
    }
    if (path === '/ready') {
      response
        .writeHead(isReady() ? 200 : 503, { 'content-type': 'text/plain' })
        .end(isReady() ? 'ready\n' : 'not ready\n');
    } else if (path === '/metrics') {
      metrics.metrics().then(
        (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
        (error: Error) => response.writeHead(500).end(`${error.message}\n`),
      );
    } else {
      response.writeHead(404).end('there is /ready and /metrics\n');
    }
  });
}
