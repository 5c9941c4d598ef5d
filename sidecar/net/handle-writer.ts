import type { Socket } from 'node:net';
import { isEncrypted } from './socket-endings.js';
import {
  handleOf,
  lastWriteIsPending,
  newWriteRequest,
  type StreamHandle,
  type WriteRequest,
  writeError,
} from './stream-handle.js';

/** More than this that the kernel has not taken, and the producer should pause. */
const CONGESTED_BYTES = 65_536;

/** A request that was not needed, for the next write to any socket: making one costs a new connection half a microsecond. */
let spare: WriteRequest | undefined;

export function takeWriteRequest(): WriteRequest {
  return spare ?? newWriteRequest();
}

/** What all writers share that write to a socket's handle, below its stream: what is under way, and when to pause. */
export abstract class HandleWriter {
  /** Written to the handle, and not taken by the kernel yet. */
  protected pendingBytes = 0;
  private needsDrain = false;
  /** TLS takes one write at a time, and none below its stream before that is done. */
  private readonly encrypted: boolean;

  /** @param onDrain the peer takes more again, after it was {@link congested} */
  constructor(
    protected readonly socket: Socket,
    private readonly onDrain: () => void,
  ) {
    this.encrypted = isEncrypted(socket);
    socket.on('drain', onDrain);
  }

  /** The peer takes less than it is given: the producer should pause until it drains. */
  get congested(): boolean {
    return this.needsDrain || this.socket.writableNeedDrain;
  }

  /** Memory of a write that is over. */
  protected abstract giveBack(memory: Buffer): void;

  /** Undefined while something is on its way through the stream, which must not be overtaken. */
  protected freeHandle(): StreamHandle | undefined {
    const mayWrite = !this.encrypted && this.socket.writableLength === 0;
    return mayWrite ? handleOf(this.socket) : undefined;
  }

  /**
   * A write to the handle was made.
   *
   * @param request of {@link takeWriteRequest}
   * @param memory to be given back once the kernel has taken it
   */
  protected settle(request: WriteRequest, status: number, bytes: number, memory?: Buffer): void {
    if (status === 0 && lastWriteIsPending()) {
      spare = undefined;
      this.pendingBytes += bytes;
      this.needsDrain ||= this.pendingBytes >= CONGESTED_BYTES;
      request.oncomplete = (result) => {
        if (memory !== undefined) this.giveBack(memory);
        this.onWritten(result, bytes);
      };
      return;
    }
    if (memory !== undefined) this.giveBack(memory);
    spare = status === 0 ? request : undefined;
    if (status !== 0) this.socket.destroy(writeError(status));
  }

  private onWritten(status: number, bytes: number): void {
    this.pendingBytes -= bytes;
    if (status < 0) this.socket.destroy(writeError(status));
    else if (this.pendingBytes === 0 && this.needsDrain) {
      this.needsDrain = false;
      this.onDrain();
    }
  }
}
