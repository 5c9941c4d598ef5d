import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backends, podsOf } from '../backends/backends.js';
import { freePorts } from '../free-ports.js';
import { onPath } from '../processes.js';
import { AUTHORITY } from '../workloads.js';
import type { Peer, PeerContext, StartedPeer } from './peer.js';

const KEY_VARIABLE = '$http_x_user_id';

export const nginx: Peer = {
  name: 'nginx',
  description: 'nginx, one worker, in one process; it counts requests but has no latency histogram',
  remedy: 'install nginx (nginx-light will do)',
  version() {
    if (onPath('nginx') === undefined) return undefined;
    return /nginx\/(\S+)/.exec(String(spawnSync('nginx', ['-v']).stderr))?.[1] ?? 'unknown';
  },
  start,
};

async function start(context: PeerContext): Promise<StartedPeer> {
  const { processes, backends, folder } = context;
  const [port, second] = (await freePorts(2)) as [number, number];
  const tlsPort = backends.certificate ? second : undefined;
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(folder, backends, port, tlsPort));
  const options = { name: 'nginx', cores: context.proxyCores };
  const proxy = processes.start('nginx', ['-p', folder, '-c', file, '-e', 'stderr'], options);
  await proxy.listening(port);
  return { proxy, port, tlsPort, stop: () => processes.stop(proxy) };
}

function configuration(
  folder: string,
  backends: Backends,
  port: number,
  tlsPort: number | undefined,
): string {
  const tls = tlsPort === undefined ? '' : side(backends, 'tls', tlsPort);
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
${side(backends, 'plain', port)}${tls}}
`;
}

/** The release by one hash of the key, and within the release consistent hashing by another. */
function side(backends: Backends, suffix: 'plain' | 'tls', port: number): string {
  const scheme = suffix === 'tls' ? 'https' : 'http';
  return `  split_clients "${KEY_VARIABLE}" $release_${suffix} {
    80% v1_${suffix};
    * v2_${suffix};
  }
${upstream(backends, 'v1', suffix)}${upstream(backends, 'v2', suffix)}  server {
    listen 127.0.0.1:${port} backlog=4096;
    server_name ${AUTHORITY};
    location = /nginx_status { stub_status; }
    location / {
      proxy_pass ${scheme}://$release_${suffix};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto http;
      proxy_set_header X-Request-Id $request_id;
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout http_503;
      proxy_next_upstream_tries 3;
      proxy_buffers 32 8k;
      proxy_max_temp_file_size 0;
${suffix === 'tls' ? verification(backends) : ''}    }
  }
`;
}

function verification({ certificate }: Backends): string {
  return `      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${certificate?.certFile};
      proxy_ssl_server_name on;
      proxy_ssl_name ${AUTHORITY};
      proxy_ssl_protocols TLSv1.3;
`;
}

function upstream(backends: Backends, release: 'v1' | 'v2', suffix: 'plain' | 'tls'): string {
  const servers = podsOf(backends, release).map(
    (pod) => `    server 127.0.0.1:${suffix === 'tls' ? pod.tlsPort : pod.port};\n`,
  );
  return `  upstream ${release}_${suffix} {
    hash ${KEY_VARIABLE} consistent;
${servers.join('')}    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
  }
`;
}
