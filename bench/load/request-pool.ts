import { writeFileSync } from 'node:fs';
import { AUTHORITY, type Workload } from '../workloads.js';

/** Between two requests of a pool file: a byte that no request has. */
export const SEPARATOR = '\x1e';
const REQUESTS = 10_000;
export const USERS = 5000;

/** A stream of numbers in [0, 1) that is the same in every run, so that all proxies see the same requests (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Writes the requests of a workload to a file, for `wrk` and our own load generator alike. */
export function writeRequestPool(file: string, workload: Workload): void {
  const random = seededRandom(1);
  const requests = Array.from({ length: REQUESTS }, (_, i) => requestText(workload, i, random));
  writeFileSync(file, requests.join(SEPARATOR), 'latin1');
}

export function userId(n: number): string {
  return `user-${String(n % USERS).padStart(5, '0')}`;
}

/** A request as services make them: 12 header fields, a path and a trace of its own. */
function requestText(workload: Workload, i: number, random: () => number): string {
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
  const folder = workload.answer === 'blob' ? 'blob' : 'api';
  const fields = [
    `Host: ${AUTHORITY}`,
    'User-Agent: okhttp/4.12.0',
    'Accept: application/json',
    'Accept-Encoding: gzip, deflate',
    'Accept-Language: en-GB,en;q=0.8',
    'Cache-Control: no-cache',
    `X-User-Id: ${userId(Math.floor(random() * USERS))}`,
    `Traceparent: 00-${hex(32)}-${hex(16)}-01`,
    `Cookie: theme=dark; consent=1; visit=${hex(24)}`,
    `Authorization: Bearer ${hex(96)}`,
    'X-Client-Version: 5.18.2',
    workload.requestBytes > 0
      ? `Content-Length: ${workload.requestBytes}`
      : `X-Correlation-Id: ${hex(8)}-${hex(4)}-${hex(4)}-${hex(12)}`,
  ];
  if (workload.newConnections) fields.push('Connection: close');
  const line = `${workload.method} /${folder}/orders/${hex(8)}${i}?expand=items&page=${i % 20} HTTP/1.1`;
  return `${line}\r\n${fields.join('\r\n')}\r\n\r\n${'x'.repeat(workload.requestBytes)}`;
}
