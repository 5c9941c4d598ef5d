import type { ClientHttp2Stream } from 'node:http2';
import { GRPC_STATUS_NAMES, parseGrpcStatus } from '../../src/http/grpc.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { HealthCheckConfig } from '../../src/xds/cluster-protection.js';
import { type Dialled, dial } from '../tls/dial.js';

/** Of an answer, read and thrown away, or of the message of a gRPC answer, which has a few bytes. */
const MAX_BODY_BYTES = 65_536;
/** Of `grpc.health.v1.HealthCheckResponse.ServingStatus`. */
const SERVING_STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;
const SERVING = 1;

/** Asks over HTTP/2, on a connection of its own. @param path of the check. @returns what is wrong; undefined: nothing */
export async function probeHttp2(
  endpoint: Dialled,
  path: string,
  config: HealthCheckConfig,
  signal: AbortSignal,
): Promise<string | undefined> {
  // Loaded by the first check of this kind.
  const { connect } = await import('node:http2');
  const { socket, ready } = dial(endpoint, ['h2']);
  const giveUp = () => socket.destroy();
  signal.addEventListener('abort', giveUp);
  const gone = new Promise<never>((_, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
    // The session does not see the end of a connection that may be half open.
    socket.once('end', giveUp);
  });
  const ask = async () => {
    await new Promise<void>((resolve) => socket.once(ready, () => resolve()));
    const scheme = endpoint.tls === undefined ? 'http' : 'https';
    const named = config.host || formatAddress(endpoint.host, endpoint.port);
    const session = connect(`${scheme}://${named}`, { createConnection: () => socket });
    // The stream says it, too.
    session.on('error', () => {});
    const { grpcService } = config;
    const own = { ':authority': named, ':path': path };
    return grpcService === undefined
      ? askPath(session.request(headersOf(config, own)))
      : askGrpc(session.request(headersOf(config, { ...own, ...GRPC_HEADERS })), grpcService);
  };
  try {
    return await Promise.race([ask(), gone]);
  } catch (error) {
    if (signal.aborted) return `no answer within ${config.timeoutMs} ms`;
    const { code, message } = error as NodeJS.ErrnoException;
    return code ?? message;
  } finally {
    signal.removeEventListener('abort', giveUp);
    socket.destroy();
  }
}

const GRPC_HEADERS = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };

function headersOf({ headers }: HealthCheckConfig, own: object) {
  return { ...Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])), ...own };
}

interface Answer {
  readonly head: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

function answerOn(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let head = {};
    let trailers = {};
    let body = Buffer.alloc(0);
    stream.on('response', (fields) => {
      head = fields;
    });
    stream.on('trailers', (fields) => {
      trailers = fields;
    });
    stream.on('data', (piece: Buffer) => {
      if (body.length < MAX_BODY_BYTES) body = Buffer.concat([body, piece]);
      else stream.close();
    });
    stream.on('error', reject);
    stream.on('close', () => {
      if (':status' in head) resolve({ head, trailers, body });
      else reject(new Error('closed without an answer'));
    });
  });
}

async function askPath(stream: ClientHttp2Stream): Promise<string | undefined> {
  const { head } = await answerOn(stream);
  const status = Number(head[':status']);
  return status >= 200 && status <= 299 ? undefined : `status ${status}`;
}

/** The health checking protocol of gRPC (https://github.com/grpc/grpc, doc/health-checking.md). */
async function askGrpc(stream: ClientHttp2Stream, service: string): Promise<string | undefined> {
  stream.end(healthRequest(service));
  const { head, trailers, body } = await answerOn(stream);
  if (head[':status'] !== 200) return `status ${head[':status']}`;
  const said = trailers['grpc-status'] ?? head['grpc-status'];
  if (typeof said !== 'string') return 'the answer has no gRPC status';
  const status = parseGrpcStatus(said);
  if (status !== 0) return `gRPC status ${GRPC_STATUS_NAMES[status]}`;
  const serving = servingStatus(body);
  return serving === SERVING ? undefined : (SERVING_STATUSES[serving] ?? 'the answer is not a health status');
}

/** A gRPC message has five bytes before it: whether it is compressed, and its length. */
const FRAME_BYTES = 5;
/** Of the protobuf fields `string service = 1` and `ServingStatus status = 1`. */
const SERVICE_TAG = 0x0a;
const STATUS_TAG = 0x08;

function healthRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([SERVICE_TAG, name.length]), name]);
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** @returns -1 where the body is not such a message */
function servingStatus(body: Buffer): number {
  if (body.length < FRAME_BYTES || body[0] !== 0) return -1;
  const message = body.subarray(FRAME_BYTES, FRAME_BYTES + body.readUInt32BE(1));
  if (message.length === 0) return 0;
  return message.length === 2 && message[0] === STATUS_TAG ? (message[1] as number) : -1;
}
