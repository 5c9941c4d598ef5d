import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { KubeClient } from '../../src/kubernetes/kube-client.js';
import { temporaryFolder } from './folder.js';

interface Stored {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

interface Watcher {
  readonly path: string;
  readonly response: ServerResponse;
}

/** Pages are this long at most, whatever is asked for. */
const MOST_PER_PAGE = 2;

/** An API server in memory: lists in pages and watches, by path of a kind, such as `/api/v1/services`. */
export class KubeApiServer {
  /** Answers of paths: a status instead of the objects. */
  readonly refusals = new Map<string, number>();
  /** `GET /api/v1/services list`, `… watch from 7`. */
  readonly calls: string[] = [];
  /** Watches from before this version are told 410 Gone. */
  oldestVersion = 0;
  private version = 1;
  private readonly objects = new Map<string, Map<string, Stored>>();
  private readonly events: { readonly version: number; readonly path: string; readonly line: string }[] = [];
  private readonly watchers = new Set<Watcher>();
  private readonly server = createServer((request, response) => this.answer(request, response));

  static async start(t: Test): Promise<KubeApiServer> {
    const api = new KubeApiServer();
    await new Promise<void>((resolve) => api.server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      api.server.close();
      api.server.closeAllConnections();
    });
    return api;
  }

  /** A client of it, by a kubeconfig in a file. */
  async client(t: Test): Promise<KubeClient> {
    return KubeClient.fromKubeconfig(await this.kubeconfig(t), '');
  }

  async kubeconfig(t: Test): Promise<string> {
    const { port } = this.server.address() as AddressInfo;
    const file = join(await temporaryFolder(t), 'kubeconfig');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [
        { name: 'test', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'test', user: {} }],
    };
    await writeFile(file, JSON.stringify(config));
    return file;
  }

  put(path: string, object: Stored): void {
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const all = this.objects.get(path) ?? new Map<string, Stored>();
    this.objects.set(path, all);
    this.tell(path, all.has(key) ? 'MODIFIED' : 'ADDED', object, (stored) => all.set(key, stored));
  }

  drop(path: string, key: string): void {
    const all = this.objects.get(path);
    const object = all?.get(key);
    if (object !== undefined) this.tell(path, 'DELETED', object, () => all?.delete(key));
  }

  /** Ends every watch in the middle of its response. */
  disconnect(): void {
    for (const { response } of this.watchers) response.destroy();
    this.watchers.clear();
  }

  private tell(path: string, type: string, object: Stored, store: (stored: Stored) => void): void {
    const version = ++this.version;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    store(stored);
    const line = `${JSON.stringify({ type, object: stored })}\n`;
    this.events.push({ version, path, line });
    for (const watcher of this.watchers) if (watcher.path === path) watcher.response.write(line);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://api');
    const isWatch = url.searchParams.get('watch') === 'true';
    const from = url.searchParams.get('resourceVersion') ?? '';
    this.calls.push(`${url.pathname} ${isWatch ? `watch from ${from}` : 'list'}`);
    const refusal =
      this.refusals.get(isWatch ? url.pathname : `${url.pathname} list`) ?? this.refusals.get(url.pathname);
    if (refusal !== undefined) this.refuse(response, refusal, 'is refused');
    else if (isWatch) this.watch(url.pathname, Number(from), response);
    else this.list(url, response);
  }

  private refuse(response: ServerResponse, code: number, message: string): void {
    response.writeHead(code).end(JSON.stringify({ kind: 'Status', code, message }));
  }

  private list({ pathname, searchParams }: URL, response: ServerResponse): void {
    const all = [...(this.objects.get(pathname)?.values() ?? [])];
    const begin = Number(searchParams.get('continue') ?? 0);
    const end = begin + MOST_PER_PAGE;
    const metadata = {
      resourceVersion: String(this.version),
      ...(end < all.length && { continue: String(end) }),
    };
    response.end(JSON.stringify({ metadata, items: all.slice(begin, end) }));
  }

  private watch(path: string, from: number, response: ServerResponse): void {
    if (from < this.oldestVersion) {
      this.refuse(response, 410, 'too old resource version');
      return;
    }
    response.writeHead(200);
    response.flushHeaders();
    for (const event of this.events)
      if (event.path === path && event.version > from) response.write(event.line);
    const watcher = { path, response };
    this.watchers.add(watcher);
    response.on('close', () => this.watchers.delete(watcher));
  }
}
