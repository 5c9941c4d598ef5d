import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { EnvHttpProxyAgent, request } from 'undici';
import { type Role, readSettings, type Settings } from './settings.js';

/**
 * The shop: one small program in three roles. `frontend` calls `checkout`, `checkout` calls `payments`. It is an
 * ordinary HTTP/1.1 app without any knowledge of a mesh: it dials names, honours the usual proxy variables, and
 * forwards the headers that carry a request's session, label and trace.
 */

/** The pods that took part in an answer. */
export interface Served {
  readonly service: Role;
  readonly version: string;
  readonly pod: string;
}

export interface Answer {
  /** In the order of the calls. */
  readonly served: readonly Served[];
  /** Why the rest of the chain did not answer. */
  readonly error?: string;
}

const PASSED_ON = ['x-user-id', 'x-region', 'cookie', 'traceparent', 'baggage', 'x-request-id'] as const;

type Handler = (incoming: IncomingMessage, response: ServerResponse) => void;

function handlerFor({ role, version, pod, upstream }: Settings): Handler {
  const self: Served = { service: role, version, pod };
  // Plain requests go to a proxy in absolute form, as from curl and from most languages' libraries.
  const dispatcher = new EnvHttpProxyAgent({ proxyTunnel: false });

  async function callAndAnswer(url: string, incoming: IncomingMessage, response: ServerResponse) {
    try {
      const { statusCode, headers, body } = await request(url, { dispatcher, headers: passedOn(incoming) });
      const text = await body.text();
      const cookies = headers['set-cookie'];
      if (cookies !== undefined) response.setHeader('set-cookie', cookies);
      if (statusCode === 200) send(response, 200, { served: [self, ...(JSON.parse(text) as Answer).served] });
      else send(response, 502, { served: [self], error: `${url} answered ${statusCode}: ${text.trim()}` });
    } catch (error) {
      send(response, 502, { served: [self], error: `${url}: ${(error as Error).message}` });
    }
  }

  return (incoming, response) => {
    incoming.resume();
    if (incoming.url === '/healthz') response.end('ok\n');
    else if (upstream === undefined) send(response, 200, { served: [self] });
    else void callAndAnswer(upstream, incoming, response);
  };
}

function passedOn({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])),
  );
}

function send(response: ServerResponse, status: number, answer: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(answer)}\n`);
}

/** Serves on the loopback interface: callers reach the app only through its sidecar. */
function serve(settings: Settings): void {
  const server = createServer(handlerFor(settings));
  server.on('error', (error) => fail(error.message));
  server.listen(settings.port, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : address;
    console.log(`${settings.role} ${settings.version} (${settings.pod}) listens on 127.0.0.1:${port}`);
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
}

function fail(message: string): void {
  console.error(message);
  process.exit(1);
}

try {
  serve(readSettings(process.argv[2], process.env));
} catch (error) {
  fail((error as Error).message);
}
