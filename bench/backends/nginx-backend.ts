import { SMALL_ANSWER } from '../workloads.js';
import type { Backend, Backends } from './backends.js';

/**
 * The pods as one nginx process, one server each: a small answer under `/api`, a large one under `/blob`, and
 * under `/echo` what of the proxy's own headers arrived. Connections are kept for ever.
 */
export function nginxBackendConfig(folder: string, backends: Backends): string {
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  open_file_cache max=16 inactive=3600s;
  open_file_cache_valid 3600s;
  default_type application/octet-stream;
${backends.pods.map((pod) => serverOf(pod, folder, backends)).join('')}}
`;
}

function serverOf(pod: Backend, folder: string, { certificate }: Backends): string {
  const tls =
    certificate === undefined || pod.tlsPort === undefined
      ? ''
      : `
    listen 127.0.0.1:${pod.tlsPort} ssl backlog=4096;
    ssl_certificate ${certificate.certFile};
    ssl_certificate_key ${certificate.keyFile};
    ssl_protocols TLSv1.3;`;
  return `  server {
    listen 127.0.0.1:${pod.port} backlog=4096;${tls}
    add_header x-served-by ${pod.name};
    add_header cache-control "private, max-age=0";
    location /api/ {
      default_type application/json;
      return 200 '${SMALL_ANSWER}';
    }
    location /blob/ {
      root ${folder};
      try_files /blob.bin =404;
    }
    location /echo/ {
      default_type application/json;
      return 200 '{"for":"$http_x_forwarded_for","id":"$http_x_request_id"}';
    }
  }
`;
}
