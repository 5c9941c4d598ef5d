import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { eventually } from '../processes.js';

/** A request as somebody else's parser understood it. */
export interface Understood {
  readonly method: string;
  readonly target: string;
  /** Its content, in latin-1. */
  readonly body: string;
}

/** A server that is not ours, and what whole requests it has understood so far. */
export interface OtherServer {
  readonly name: string;
  readonly address: string;
  readonly understood: Understood[];
}

/** `node:http`. It answers what it understood with 200. */
export async function startNode(t: Test): Promise<OtherServer> {
  const understood: Understood[] = [];
  const server = createHttpServer({ maxHeaderSize: 65_536 }, (request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => (body += data.toString('latin1')));
    request.on('end', () => {
      understood.push({ method: request.method ?? '', target: request.url ?? '', body });
      response.end('ok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return { name: 'node:http', address: `127.0.0.1:${(server.address() as AddressInfo).port}`, understood };
}

/** nginx, which hands what it understood to a `node:http` behind it. */
export async function startNginx(t: Test): Promise<OtherServer> {
  return startProxy(t, 'nginx', (folder, port, behind) => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const config = `
      daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
      events { worker_connections 200; }
      http {
        access_log off;
        ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')}
        large_client_header_buffers 8 64k;
        underscores_in_headers on;
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass http://${behind}; proxy_http_version 1.1; proxy_set_header Connection ""; }
        }
      }`;
    writeFileSync(join(folder, 'nginx.conf'), config);
    return ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')];
  });
}

/** HAProxy, in the same way. */
export async function startHaproxy(t: Test): Promise<OtherServer> {
  return startProxy(t, 'haproxy', (folder, port, behind) => {
    const config = `
global
  tune.bufsize 65536
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
frontend all
  bind 127.0.0.1:${port}
  default_backend behind
backend behind
  server one ${behind}
`;
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    return ['-db', '-f', join(folder, 'haproxy.cfg')];
  });
}

async function startProxy(
  t: Test,
  name: string,
  configure: (folder: string, port: number, behind: string) => readonly string[],
): Promise<OtherServer> {
  const behind = await startNode(t);
  const folder = mkdtempSync(join(tmpdir(), `roost-${name}-`));
  const port = await freePort();
  const child = spawn(name, configure(folder, port, behind.address), { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.once('error', (error) => (errors += error.message));
  child.stderr.on('data', (data) => (errors += String(data)));
  t.teardown(async () => {
    await ended(child);
    rmSync(folder, { recursive: true });
  });
  const address = `127.0.0.1:${port}`;
  await eventually(`${name} listens`, () => {
    if (child.pid === undefined) throw new Error(`${name} is not installed`);
    if (child.exitCode !== null) throw new Error(`${name} ended: ${errors}`);
    return accepts(port);
  });
  return { ...behind, name, address };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

/** A port that was free a moment ago, for a server that cannot be told to take any. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const finish = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.on('connect', () => finish(true));
    socket.on('error', () => finish(false));
  });
}
