import { ConnectionError, ERROR } from './error-code.js';
import { MAX_STREAM_ID } from './frame.js';
import { RecentStreams } from './recent-streams.js';

/**
 * The numbers of a connection's streams (RFC 9113 section 5.1.1): only clients open streams here, with odd numbers, each
 * larger than the one before. So a number alone tells a stream that is still to come from one that is over.
 */
export class StreamNumbers {
  private readonly recent = new RecentStreams();
  /** Of the client's next stream, where we are the client. */
  private next: number;
  /** The latest stream that the client has opened, where we are the server. */
  lastOfPeer = 0;

  constructor(
    private readonly isServer: boolean,
    first: number,
  ) {
    this.next = first;
  }

  get areUsedUp(): boolean {
    return this.next > MAX_STREAM_ID;
  }

  take(): number {
    const id = this.next;
    this.next += 2;
    return id;
  }

  /** A head comes for a stream that is not there: whether it is a client's next request. @throws ConnectionError */
  isNew(id: number): boolean {
    if (!this.isServer || id <= this.lastOfPeer) return false;
    if (id % 2 === 0) throw new ConnectionError(ERROR.protocolError, 'a client opens an even stream');
    this.lastOfPeer = id;
    return true;
  }

  onOver(id: number, wasReset: boolean): void {
    this.recent.add(id, wasReset);
  }

  /** @throws ConnectionError where there has never been such a stream */
  expectKnown(id: number, frame: string): void {
    if (id % 2 === 0 || id > (this.isServer ? this.lastOfPeer : this.next - 2))
      throw new ConnectionError(ERROR.protocolError, `${frame} for a stream that does not exist`);
  }

  /**
   * A frame comes for a stream that is over. It may have been under way when we reset the stream, and is ignored then.
   *
   * @throws ConnectionError where it cannot have been
   */
  expectReset(id: number, frame: string): void {
    this.expectKnown(id, frame);
    const end = this.recent.endOf(id);
    if (end === 'reset-by-us') return;
    // What is not remembered may never have been a stream: a client that skips numbers closes them.
    const code = end === undefined && frame === 'HEADERS' ? ERROR.protocolError : ERROR.streamClosed;
    throw new ConnectionError(code, `${frame} for a stream that is over`);
  }
}
