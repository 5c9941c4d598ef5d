import { formatAddress } from '../../src/net/ip-address.js';
import type { HealthCheckConfig } from '../../src/xds/cluster-protection.js';
import type { HealthProbe } from '../cluster/health-checker.js';
import type { ReachabilityProbe } from '../cluster/reachability-prober.js';
import { askForApp } from '../http1/ask-for-app.js';
import type { Dialled } from '../tls/dial.js';
import { tryConnect } from '../tls/try-connect.js';
import { probeHttp2 } from './http2-probe.js';

/** Of the answer's body, read and thrown away. */
const MAX_BODY_BYTES = 65_536;

/** A connection is enough, or with an app behind a sidecar, what the sidecar says of it. */
export const probeReachability: ReachabilityProbe = (endpoint, asksApp, timeoutMs, done) => {
  if (asksApp) askForApp(endpoint, timeoutMs, done);
  else tryConnect(endpoint, timeoutMs, done);
};

/** A connection is enough; or with a path, an answer to GET of 200 to 299; or what the app says of a gRPC service. */
export const probeHealth: HealthProbe = (endpoint, config, signal) => {
  const { path } = config;
  if (path === undefined) return probeConnection(endpoint, config.timeoutMs, signal);
  return (config.overHttp2 ? probeHttp2 : probePath)(endpoint, path, config, signal);
};

function probeConnection(
  endpoint: Dialled,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const giveUp = tryConnect(endpoint, timeoutMs, resolve);
    signal.addEventListener('abort', () => {
      giveUp();
      resolve(`no connection within ${timeoutMs} ms`);
    });
  });
}

/** Each on a connection of its own: what is asked is whether a caller would get through. */
async function probePath(
  { host, port, tls }: Dialled,
  path: string,
  { timeoutMs, host: named, headers: own }: HealthCheckConfig,
  signal: AbortSignal,
): Promise<string | undefined> {
  // Loaded by the first check of this kind: most sidecars make none, and it takes several megabytes.
  const { Client } = await import('undici');
  const address = formatAddress(host, port);
  let client: InstanceType<typeof Client> | undefined;
  try {
    client =
      tls === undefined
        ? new Client(`http://${address}`)
        : new Client(`https://${address}`, { connect: tls.optionsFor(address) });
    const headers = [...(named === '' ? [] : ['host', named]), ...own.flat()];
    const { statusCode, body } = await client.request({ method: 'GET', path, headers, reset: true, signal });
    await body.dump({ limit: MAX_BODY_BYTES, signal });
    return statusCode >= 200 && statusCode <= 299 ? undefined : `status ${statusCode}`;
  } catch (error) {
    if (signal.aborted) return `no answer within ${timeoutMs} ms`;
    const { code, message } = error as NodeJS.ErrnoException;
    return code ?? message;
  } finally {
    await client?.destroy();
  }
}
