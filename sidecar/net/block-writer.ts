import { HandleWriter, takeWriteRequest } from './handle-writer.js';

/** One block takes everything that one full read of a socket (64 KiB) becomes on the way out, with its frame heads. */
const BLOCK_BYTES = 66_560;
/** Free blocks that are kept, 2 MiB; what comes back beyond that is left to the garbage collector. */
const KEPT_BLOCKS = 32;

const free: Buffer[] = [];
/** Writers with something to flush in this turn of the event loop. */
let waiting: BlockWriter[] = [];

/**
 * Writes bytes to a socket, joining everything that one turn of the event loop brings into one write: on a connection
 * that carries many streams, that is one system call for all of them (docs/performance.md). Memory is taken from a pool
 * when there is something to write and given back when the kernel has taken it, so an idle connection holds none.
 */
export class BlockWriter extends HandleWriter {
  /** Where to write, from {@link at} on, as much as {@link reserve} was asked for. */
  block: Buffer = NO_BLOCK;
  at = 0;
  private isWaiting = false;

  /** The kernel has taken everything. */
  get isEmpty(): boolean {
    return this.at === 0 && this.pendingBytes === 0 && this.socket.writableLength === 0;
  }

  /** Makes room for so many bytes, and sees to it that they are flushed in this turn. */
  reserve(bytes: number): void {
    if (this.at + bytes > this.block.length) this.makeRoom(bytes);
    if (this.isWaiting) return;
    this.isWaiting = true;
    if (waiting.length === 0) setImmediate(flushAll);
    waiting.push(this);
  }

  /** Writes what was collected. Needed only before the socket is ended; everything else waits for the turn's end. */
  flush(): void {
    this.isWaiting = false;
    const { block, at } = this;
    if (at === 0) return;
    this.at = 0;
    this.block = NO_BLOCK;
    const handle = this.freeHandle();
    if (handle === undefined) this.writeToStream(block, at);
    else {
      const request = takeWriteRequest();
      this.settle(request, handle.writeBuffer(request, block.subarray(0, at)), at, block);
    }
  }

  private makeRoom(bytes: number): void {
    const { isWaiting } = this;
    this.flush();
    // Still in the list of those to flush.
    this.isWaiting = isWaiting;
    if (this.block.length >= bytes) return;
    this.block = bytes <= BLOCK_BYTES ? (free.pop() ?? newBlock()) : Buffer.allocUnsafeSlow(bytes);
  }

  private writeToStream(block: Buffer, length: number): void {
    const { socket } = this;
    if (socket.destroyed || socket.writableEnded) giveBack(block);
    else socket.write(block.subarray(0, length), () => giveBack(block));
  }

  protected giveBack(block: Buffer): void {
    giveBack(block);
  }
}

const NO_BLOCK = Buffer.alloc(0);

function newBlock(): Buffer {
  return Buffer.allocUnsafeSlow(BLOCK_BYTES);
}

function giveBack(block: Buffer): void {
  if (free.length < KEPT_BLOCKS && block.length === BLOCK_BYTES) free.push(block);
}

function flushAll(): void {
  const writers = waiting;
  waiting = [];
  for (let i = 0; i < writers.length; i++) (writers[i] as BlockWriter).flush();
}
