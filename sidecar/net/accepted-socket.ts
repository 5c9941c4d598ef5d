import { EventEmitter } from 'node:events';
import type { Server, Socket } from 'node:net';
import {
  END_OF_STREAM,
  lastReadLength,
  newShutdownRequest,
  type ShutdownRequest,
  type StreamHandle,
  streamError,
} from './stream-handle.js';

/** libuv's TCP connection, as Node's own `net` module uses it. */
interface TcpHandle extends StreamHandle {
  owner?: AcceptedSocket;
  getpeername(into: Address): number;
  getsockname(into: Address): number;
  setNoDelay(enabled: boolean): number;
  setKeepAlive(enabled: boolean, delaySeconds: number): number;
  /** @returns 0, 1 where it is done already, or a negative errno */
  shutdown(request: ShutdownRequest): number;
  close(onClosed: (this: TcpHandle) => void): void;
  /** @returns 0, or a negative errno */
  reset(onClosed: (this: TcpHandle) => void): number;
}

/** What accepts connections for a `net.Server`. */
interface ServerHandle {
  onconnection: (this: ServerHandle, status: number, client: TcpHandle | undefined) => void;
}

interface Address {
  readonly address?: string;
  readonly port?: number;
}

const NEEDED = [
  'getpeername',
  'getsockname',
  'setNoDelay',
  'setKeepAlive',
  'shutdown',
  'close',
  'reset',
] as const;

/**
 * A connection that was accepted, without the two Node streams of a `net.Socket`: making and collecting those is a
 * quarter of what a new connection costs (docs/performance.md, "What worked"). It reads and writes nothing itself:
 * {@link SocketReader} and {@link SocketWriter} use the handle. It ends, closes and tells of both as a socket with
 * `allowHalfOpen` does: `end` when the peer has sent its end, `close` last and once.
 *
 * ```
 *   open ──end()──► write side ended ──the peer's end──┐
 *    │                                                 ├──► closed
 *    ├──the peer's end──► read side ended ──end()──────┤
 *    └──destroy(), resetAndDestroy(), an error─────────┘
 * ```
 */
export class AcceptedSocket extends EventEmitter {
  readonly connecting = false;
  destroyed = false;
  writableEnded = false;
  writableFinished = false;
  /** Writes pass the streams by, so that nothing of them is ever waiting in one. */
  readonly writableLength = 0;
  readonly writableNeedDrain = false;
  private readEnded = false;
  private onFinished: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private peer: Address | undefined;
  /** Null once it is closing, as in a `net.Socket`. */
  _handle: TcpHandle | null;

  private constructor(handle: TcpHandle) {
    super();
    this._handle = handle;
    handle.owner = this;
    handle.onread = onReadEnd;
    handle.setNoDelay(true);
  }

  /** As the type that connections want: it has what they use of that. */
  static wrap(handle: TcpHandle): Socket {
    return new AcceptedSocket(handle) as unknown as Socket;
  }

  get remoteAddress(): string | undefined {
    return this.peerAddress().address;
  }

  get remotePort(): number | undefined {
    return this.peerAddress().port;
  }

  get localAddress(): string | undefined {
    return this.ownAddress().address;
  }

  get localPort(): number | undefined {
    return this.ownAddress().port;
  }

  /** Reading is the handle's. */
  pause(): this {
    return this;
  }

  resume(): this {
    return this;
  }

  /** Writers use this only where there is no handle any more: what is written then goes nowhere. */
  write(_data: unknown, ...rest: readonly unknown[]): boolean {
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(done as () => void);
    return true;
  }

  cork(): void {}

  uncork(): void {}

  setKeepAlive(enabled: boolean, delayMs: number): this {
    this._handle?.setKeepAlive(enabled, Math.floor(delayMs / 1000));
    return this;
  }

  setTimeout(ms: number, onTimeout: () => void): this {
    clearTimeout(this.timer);
    this.timer = setTimeout(onTimeout, ms).unref();
    return this;
  }

  /** Ends the write side once the kernel has taken what was written. @param onFinished told when it has */
  end(onFinished?: () => void): this {
    const { _handle: handle } = this;
    if (handle === null || this.writableEnded) return this;
    this.writableEnded = true;
    this.onFinished = onFinished;
    const request = newShutdownRequest();
    request.owner = this;
    request.oncomplete = onShutdown;
    // Something is returned where there is nothing to wait for: it has ended, or there is no connection any more.
    if (handle.shutdown(request) !== 0) this.finish();
    return this;
  }

  destroySoon(): void {
    if (this.writableFinished) this.destroy();
    else if (this.writableEnded) this.onFinished = () => this.destroy();
    else this.end(() => this.destroy());
  }

  destroy(error?: Error): this {
    const handle = this.leave();
    if (handle === undefined) return this;
    if (error !== undefined) this.emit('error', error);
    handle.close(onClosed);
    return this;
  }

  resetAndDestroy(): this {
    const handle = this.leave();
    if (handle !== undefined && handle.reset(onClosed) !== 0) handle.close(onClosed);
    return this;
  }

  /** The handle has read the end, or an error. */
  onReadEnd(status: number): void {
    if (this.destroyed || this.readEnded || status >= 0) return;
    if (status !== END_OF_STREAM) {
      this.destroy(streamError('read', status));
      return;
    }
    this.readEnded = true;
    this.emit('end');
    this.closeIfDone();
  }

  finish(): void {
    if (this.destroyed || this.writableFinished) return;
    this.writableFinished = true;
    this.onFinished?.();
    this.closeIfDone();
  }

  private closeIfDone(): void {
    if (this.readEnded && this.writableFinished) this.destroy();
  }

  private leave(): TcpHandle | undefined {
    const { _handle: handle } = this;
    if (handle === null) return undefined;
    this.destroyed = true;
    this._handle = null;
    clearTimeout(this.timer);
    return handle;
  }

  private peerAddress(): Address {
    this.peer ??= addressOf(this._handle, 'getpeername');
    return this._handle === null ? {} : this.peer;
  }

  private ownAddress(): Address {
    return addressOf(this._handle, 'getsockname');
  }
}

function addressOf(handle: TcpHandle | null, which: 'getpeername' | 'getsockname'): Address {
  const into: Address = {};
  return handle !== null && handle[which](into) === 0 ? into : {};
}

function onReadEnd(this: StreamHandle): void {
  (this as TcpHandle).owner?.onReadEnd(lastReadLength());
}

function onShutdown(this: ShutdownRequest): void {
  (this.owner as AcceptedSocket).finish();
}

function onClosed(this: TcpHandle): void {
  this.owner?.emit('close');
}

/**
 * Has a server that listens give every connection to `take`, where its handle is what Node 20 to 24 have; where not,
 * the server goes on making sockets of its own, and emits them.
 *
 * @param mayTake false: the connection is closed, and `onDropped` is told of its peer
 */
export function takeConnections(
  server: Server,
  take: (socket: Socket) => void,
  mayTake: () => boolean,
  onDropped: (peer: { remoteAddress?: string | undefined }) => void,
): void {
  const { _handle: handle } = server as { _handle?: Partial<ServerHandle> | null };
  const others = handle?.onconnection;
  if (handle == null || others === undefined || END_OF_STREAM === undefined) return;
  handle.onconnection = function onconnection(this: ServerHandle, status, client) {
    if (status !== 0 || client === undefined || !isComplete(client)) others.call(this, status, client);
    else if (mayTake()) take(AcceptedSocket.wrap(client));
    else {
      const { address: remoteAddress } = addressOf(client, 'getpeername');
      client.close(() => {});
      onDropped({ remoteAddress });
    }
  };
}

function isComplete(handle: Partial<TcpHandle>): boolean {
  return (
    handle.useUserBuffer !== undefined &&
    handle.writeLatin1String !== undefined &&
    NEEDED.every((method) => handle[method] !== undefined)
  );
}
