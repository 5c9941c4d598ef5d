import { connect, type Socket } from 'node:net';
import { ResponseParser } from './response-parser.js';

/** How a request ended. */
export type Ending =
  | 'complete'
  /** The connection was refused, or ended before a byte of the response. */
  | 'no-response'
  /** The connection ended within the response. */
  | 'broken'
  /** What came was no HTTP, or followed the response. */
  | 'malformed'
  /** The client left, as it was meant to. */
  | 'left'
  | 'timeout';

export interface Manners {
  readonly slow: boolean;
  /** Leaves after so many milliseconds; undefined: stays. */
  readonly leaveAfterMs: number | undefined;
}

/** A slow client reads nothing for so long after each piece. */
const SLOW_PAUSE_MS = 20;
/** No answer in this time is no answer. */
const TIMEOUT_MS = 60_000;

/** A client's connection: one request, its response, the next. */
export class SoakConnection {
  readonly response = new ResponseParser();
  private readonly socket: Socket;
  private onEnd: ((ending: Ending) => void) | undefined;
  private slow = false;
  private gone = false;
  private timer: NodeJS.Timeout | undefined;

  /** @param onGone it takes no further request */
  constructor(
    port: number,
    private readonly onGone: (connection: SoakConnection) => void,
  ) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (piece: Buffer) => this.onData(piece));
    // What the error was does not matter: a request that it hit is counted by how far its response had come.
    this.socket.on('error', () => {});
    this.socket.on('close', () => this.onClose());
  }

  get usable(): boolean {
    return !this.gone;
  }

  send(request: string, { slow, leaveAfterMs }: Manners, onEnd: (ending: Ending) => void): void {
    this.response.reset();
    this.slow = slow;
    this.onEnd = onEnd;
    this.socket.write(request, 'latin1');
    const leaves = leaveAfterMs !== undefined;
    this.timer = setTimeout(() => this.giveUp(leaves ? 'left' : 'timeout'), leaveAfterMs ?? TIMEOUT_MS);
  }

  destroy(): void {
    this.gone = true;
    this.socket.destroy();
  }

  private onData(piece: Buffer): void {
    if (this.onEnd === undefined) {
      this.destroy();
      return;
    }
    let complete: boolean;
    try {
      complete = this.response.read(piece);
    } catch {
      this.giveUp('malformed');
      return;
    }
    if (complete) {
      if (this.response.closes) this.leave();
      this.finish('complete');
    } else if (this.slow) this.pause();
  }

  private pause(): void {
    this.socket.pause();
    setTimeout(() => this.socket.resume(), SLOW_PAUSE_MS);
  }

  /** Orderly: the response said that no other would follow. */
  private leave(): void {
    this.gone = true;
    this.socket.end();
  }

  private giveUp(ending: Ending): void {
    this.destroy();
    this.finish(ending);
  }

  private onClose(): void {
    this.gone = true;
    this.finish(this.response.head === '' ? 'no-response' : 'broken');
    this.onGone(this);
  }

  private finish(ending: Ending): void {
    clearTimeout(this.timer);
    const { onEnd } = this;
    this.onEnd = undefined;
    onEnd?.(ending);
  }
}
