import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backends, podsOf } from '../backends/backends.js';
import { freePorts } from '../free-ports.js';
import { onPath } from '../processes.js';
import { AUTHORITY, KEY_HEADER } from '../workloads.js';
import type { Peer, PeerContext, StartedPeer } from './peer.js';

/** What every figure is also given as a ratio to. */
export const haproxy: Peer = {
  name: 'haproxy',
  description: 'HAProxy, HTTP mode, one thread; it counts requests but has no latency histogram',
  remedy: 'install haproxy',
  version() {
    if (onPath('haproxy') === undefined) return undefined;
    return /version (\S+?)-/.exec(execFileSync('haproxy', ['-v'], { encoding: 'utf8' }))?.[1] ?? 'unknown';
  },
  start,
};

async function start(context: PeerContext): Promise<StartedPeer> {
  const { processes, backends, folder } = context;
  const [port, second] = (await freePorts(2)) as [number, number];
  const tlsPort = backends.certificate ? second : undefined;
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration(backends, port, tlsPort));
  const options = { name: 'haproxy', cores: context.proxyCores };
  const proxy = processes.start('haproxy', ['-db', '-f', file], options);
  await proxy.listening(port);
  return { proxy, port, tlsPort, stop: () => processes.stop(proxy) };
}

function configuration(backends: Backends, port: number, tlsPort: number | undefined): string {
  const tls = tlsPort === undefined ? '' : listeners(backends, 'tls', tlsPort);
  return `global
    nbthread 1
    maxconn 8000
defaults
    mode http
    timeout connect 2s
    timeout client 300s
    timeout server 300s
    timeout http-request 10s
    timeout http-keep-alive 300s
    option http-keep-alive
    http-reuse always
    retries 2
    retry-on conn-failure empty-response 503
    option redispatch
${listeners(backends, 'plain', port)}${tls}`;
}

/** The release by the session's hash, and within the release consistent hashing by another hash of the same key. */
function listeners(backends: Backends, suffix: 'plain' | 'tls', port: number): string {
  return `frontend ${suffix}
    bind 127.0.0.1:${port} backlog 4096
    option forwardfor
    http-request set-header x-forwarded-proto http
    http-request set-header x-request-id %[uuid()] unless { req.hdr(x-request-id) -m found }
    http-request set-var(txn.slot) req.hdr(${KEY_HEADER}),xxh32,mod(10000)
    use_backend v2-${suffix} if { hdr(host) -i ${AUTHORITY} } { var(txn.slot) -m int ge 8000 }
    use_backend v1-${suffix} if { hdr(host) -i ${AUTHORITY} }
${release(backends, 'v1', suffix)}${release(backends, 'v2', suffix)}`;
}

function release(backends: Backends, name: 'v1' | 'v2', suffix: 'plain' | 'tls'): string {
  const { certificate } = backends;
  const ssl =
    suffix === 'tls' && certificate !== undefined
      ? ` ssl verify required ca-file ${certificate.certFile} sni str(${AUTHORITY}) verifyhost ${AUTHORITY}`
      : '';
  const servers = podsOf(backends, name).map(
    (pod) => `    server ${pod.name} 127.0.0.1:${suffix === 'tls' ? pod.tlsPort : pod.port}${ssl}\n`,
  );
  return `backend ${name}-${suffix}
    balance hdr(${KEY_HEADER})
    hash-type consistent
${servers.join('')}`;
}
