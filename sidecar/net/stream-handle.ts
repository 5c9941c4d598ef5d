import type { Socket } from 'node:net';
import { getSystemErrorMap, getSystemErrorName } from 'node:util';

/**
 * What lies below a `net.Socket`: libuv's stream, as Node's own `net` module uses it. Reading and writing there
 * saves the bookkeeping of two Node streams, a tenth of a small request's CPU (docs/performance.md, "What
 * worked"). Node does not document it (DEP0111): where it is not to be had, or a socket is none of libuv's,
 * {@link SocketReader} and {@link SocketWriter} go through the streams.
 */
export interface StreamHandle {
  /** Node's own note of whether it has started reading. */
  reading: boolean;
  onread: (this: StreamHandle, bytes: ArrayBuffer | undefined) => unknown;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
  /** @returns 0, or a negative errno */
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  /** @param chunks in pairs: data, and its encoding or `buffer` */
  writev(request: WriteRequest, chunks: readonly unknown[], allBuffers: boolean): number;
}

/** Only needed where the kernel does not take everything at once. */
export interface WriteRequest {
  oncomplete?: (status: number) => void;
}

export interface ShutdownRequest {
  owner?: unknown;
  oncomplete?: (this: ShutdownRequest, status: number) => void;
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap?: new () => ShutdownRequest;
  /** What the last call or callback was about, by the positions below. */
  readonly streamBaseState: Int32Array;
  readonly kLastWriteWasAsync: number;
  readonly kReadBytesOrError: number;
}

const binding = findBinding();

function findBinding(): StreamBinding | undefined {
  const { binding: open } = process as { binding?: (name: string) => Partial<StreamBinding> };
  try {
    const found = open?.('stream_wrap');
    const complete = found?.WriteWrap && found.streamBaseState && found.kLastWriteWasAsync !== undefined;
    return complete && found.kReadBytesOrError !== undefined ? (found as StreamBinding) : undefined;
  } catch {
    // A Node that has it no more says so by throwing.
    return undefined;
  }
}

/** @returns undefined while the socket connects, once it is closed, and where there is only the stream. */
export function handleOf(socket: Socket): StreamHandle | undefined {
  if (binding === undefined || socket.connecting) return undefined;
  const { _handle: handle } = socket as { _handle?: Partial<StreamHandle> | null };
  return handle?.useUserBuffer && handle.writeLatin1String ? (handle as StreamHandle) : undefined;
}

/** What {@link lastReadLength} is when the peer has sent its end; undefined where handles cannot be ended. */
export const END_OF_STREAM =
  binding?.ShutdownWrap && [...getSystemErrorMap()].find(([, [name]]) => name === 'EOF')?.[0];

export function newShutdownRequest(): ShutdownRequest {
  return new ((binding as StreamBinding).ShutdownWrap as new () => ShutdownRequest)();
}

export function newWriteRequest(): WriteRequest {
  return new (binding as StreamBinding).WriteWrap();
}

/** The kernel has not taken all of the last write: the request is told when it has. */
export function lastWriteIsPending(): boolean {
  const { streamBaseState, kLastWriteWasAsync } = binding as StreamBinding;
  return streamBaseState[kLastWriteWasAsync] !== 0;
}

/** In `onread`: how many bytes have come; negative: the end, or an errno. */
export function lastReadLength(): number {
  const { streamBaseState, kReadBytesOrError } = binding as StreamBinding;
  return streamBaseState[kReadBytesOrError] as number;
}

/** @param status a negative errno */
export function writeError(status: number): NodeJS.ErrnoException {
  return streamError('write', status);
}

/** @param status a negative errno */
export function streamError(syscall: string, status: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: status, syscall });
}
