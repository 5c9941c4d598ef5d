/** The traffic that every proxy is given. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly method: 'GET' | 'POST';
  readonly connections: number;
  readonly requestBytes: number;
  /** Which of the backends' bodies comes back. */
  readonly answer: keyof typeof ANSWER_BYTES;
  /** Every request comes on a connection of its own. */
  readonly newConnections: boolean;
  /** Between proxy and backend. */
  readonly tls: boolean;
}

export const SMALL_ANSWER =
  '{"id":"9f1c2b7e","status":"confirmed","currency":"EUR","total":4250,"items":[{"sku":"A-1001","quantity":2,"price":1500},{"sku":"B-2002","quantity":1,"price":1250}],"createdAt":"2026-01-15T10:24:00Z"}';

export const ANSWER_BYTES = { small: SMALL_ANSWER.length, blob: 102_400 } as const;

const PLAIN: readonly Omit<Workload, 'tls'>[] = [
  {
    name: 'small',
    title: 'small GET, 64 connections',
    method: 'GET',
    connections: 64,
    requestBytes: 0,
    answer: 'small',
    newConnections: false,
  },
  {
    name: 'small-1000',
    title: 'small GET, 1,000 connections',
    method: 'GET',
    connections: 1000,
    requestBytes: 0,
    answer: 'small',
    newConnections: false,
  },
  {
    name: 'post',
    title: '1 KB POST, 64 connections',
    method: 'POST',
    connections: 64,
    requestBytes: 1024,
    answer: 'small',
    newConnections: false,
  },
  {
    name: 'blob',
    title: '100 KB response, 32 connections',
    method: 'GET',
    connections: 32,
    requestBytes: 0,
    answer: 'blob',
    newConnections: false,
  },
  {
    name: 'connect',
    title: 'a new connection for every small GET, 64 at a time',
    method: 'GET',
    connections: 64,
    requestBytes: 0,
    answer: 'small',
    newConnections: true,
  },
];

export const WORKLOADS: readonly Workload[] = [
  ...PLAIN.map((workload) => ({ ...workload, tls: false })),
  ...PLAIN.map((workload) => ({
    ...workload,
    name: `${workload.name}-tls`,
    title: `${workload.title}, TLS to the backend`,
    tls: true,
  })),
];

/** The authority that every request names, the share of the canary, and the header that sessions go by. */
export const AUTHORITY = 'checkout.shop';
export const CANARY_SHARE = 0.2;
export const KEY_HEADER = 'x-user-id';

/** @throws RangeError naming what there is */
export function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found) return found;
  throw new RangeError(`no workload "${name}"; there is ${WORKLOADS.map((w) => w.name).join(', ')}`);
}
