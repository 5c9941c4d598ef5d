import { ANSWER_BYTES, AUTHORITY } from '../workloads.js';
import { CHUNKS, FAULT_HEADER, type Fault, formatFault, PODS_PER_RELEASE } from './faults.js';

/** One kind of request in the mix. */
export interface RequestKind {
  readonly name: string;
  /** Share of all requests, in percent. */
  readonly share: number;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Bytes of the response's body. */
  readonly answerBytes: number;
  readonly requestBytes: number;
  /** The request's body comes in chunks. */
  readonly chunkedRequest: boolean;
  /** `slow`: the client reads with pauses. `aborting`: it leaves before the response is complete. */
  readonly client: 'plain' | 'slow' | 'aborting';
  readonly newConnection: boolean;
}

const SMALL_GET: RequestKind = {
  name: 'small GET',
  share: 56,
  method: 'GET',
  path: '/api/orders',
  answerBytes: ANSWER_BYTES.small,
  requestBytes: 0,
  chunkedRequest: false,
  client: 'plain',
  newConnection: false,
};
const POST: Partial<RequestKind> = { method: 'POST', requestBytes: 1024 };
const BLOB: Partial<RequestKind> = { path: '/blob/orders', answerBytes: ANSWER_BYTES.blob };
const CHUNKED: Partial<RequestKind> = { path: '/chunked/orders', answerBytes: CHUNKS * ANSWER_BYTES.small };

const kind = (name: string, share: number, rest: Partial<RequestKind>): RequestKind => ({
  ...SMALL_GET,
  ...rest,
  name,
  share,
});

/** The mix; shares sum up to 100. */
export const REQUEST_KINDS: readonly RequestKind[] = [
  SMALL_GET,
  kind('small GET, new connection', 8, { newConnection: true }),
  kind('1 KB POST', 12, POST),
  kind('1 KB POST, chunked', 4, { ...POST, chunkedRequest: true }),
  kind('100 KB response', 6, BLOB),
  kind('chunked response', 10, CHUNKED),
  kind('100 KB response, slow client', 2, { ...BLOB, client: 'slow' }),
  kind('100 KB response, client leaves', 1, { ...BLOB, client: 'aborting', newConnection: true }),
  kind('small GET, client leaves', 1, { client: 'aborting', newConnection: true }),
];

/** The mix with as many requests, in percent, whose clients leave; the others keep their shares among themselves. */
export function mixWithLeaving(percent: number): RequestKind[] {
  const leaving = REQUEST_KINDS.filter(({ client }) => client === 'aborting');
  const sum = leaving.reduce((shares, { share }) => shares + share, 0);
  return REQUEST_KINDS.map((each) => {
    const factor = each.client === 'aborting' ? percent / sum : (100 - percent) / (100 - sum);
    return { ...each, share: each.share * factor };
  });
}

/** What a saturation measurement sends: everything but the clients that would have it wait for them. */
export const PLAIN_KINDS = REQUEST_KINDS.filter(({ client }) => client === 'plain');

export function drawKind(kinds: readonly RequestKind[], random: () => number): RequestKind {
  const sum = kinds.reduce((shares, { share }) => shares + share, 0);
  let left = random() * sum;
  for (const each of kinds) {
    left -= each.share;
    if (left < 0) return each;
  }
  return kinds[0] as RequestKind;
}

/** One pod in three resets such a request, and most sessions are elsewhere: about 1 % of requests meet a reset. */
const RESET_SHARE = 0.03;
const CUT_SHARE = 0.002;

export function drawFault(random: () => number): Fault | undefined {
  const drawn = random();
  if (drawn < CUT_SHARE) return { kind: 'cut' };
  if (drawn > CUT_SHARE + RESET_SHARE) return undefined;
  return { kind: 'reset', pod: 1 + Math.floor(random() * PODS_PER_RELEASE) };
}

const BODY = 'x'.repeat(1024);
const CHUNK = `100\r\n${BODY.slice(0, 256)}\r\n`;

/** The request as bytes. @param sessionField `X-User-Id: …` or `Cookie: …`; empty: a session to come */
export function requestText(
  { method, path, requestBytes, chunkedRequest, newConnection }: RequestKind,
  sessionField: string,
  fault: Fault | undefined,
): string {
  let text =
    `${method} ${path} HTTP/1.1\r\nHost: ${AUTHORITY}\r\nUser-Agent: okhttp/4.12.0\r\n` +
    'Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nX-Client-Version: 5.18.2\r\n';
  if (sessionField !== '') text += `${sessionField}\r\n`;
  if (fault !== undefined) text += `${FAULT_HEADER}: ${formatFault(fault)}\r\n`;
  if (newConnection) text += 'Connection: close\r\n';
  if (requestBytes === 0) return `${text}\r\n`;
  if (chunkedRequest)
    return `${text}Transfer-Encoding: chunked\r\n\r\n${CHUNK.repeat(requestBytes / 256)}0\r\n\r\n`;
  return `${text}Content-Length: ${requestBytes}\r\n\r\n${BODY}`;
}
