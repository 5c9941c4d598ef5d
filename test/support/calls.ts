import type { Test } from 'tap';
import { Pool } from 'undici';
import type { Echo } from './backend.js';

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
  /** Where it came from, `v2-1`; empty where no backend answered. */
  readonly backend: string;
}

export interface CallOptions {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export type Call = (host: string, options?: CallOptions) => Promise<Answer>;

/** A client of one sidecar's outbound port, with connections of its own. */
export function caller(t: Test, outbound: string, connections = 32): Call {
  const pool = new Pool(`http://${outbound}`, { connections, headersTimeout: 20_000 });
  t.teardown(() => pool.destroy());
  return async (host, { path = '/', method = 'GET', headers = {}, body } = {}) => {
    const response = await pool.request({
      path,
      method: method as 'GET',
      headers: { host, ...headers },
      body: body ?? null,
    });
    const text = await response.body.text();
    return { status: response.statusCode, headers: response.headers, body: text, backend: backendOf(text) };
  };
}

function backendOf(body: string): string {
  return body.startsWith('{') ? ((JSON.parse(body) as Partial<Echo>).backend ?? '') : '';
}

/** Runs work for each item, so many at a time, and keeps the results' order. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
