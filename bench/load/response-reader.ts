const END_OF_HEAD = '\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CONNECTION_CLOSE = /\r\nconnection: *close/i;

/** Follows one response after the other on a connection; only what the benchmark's backends can send. */
export class ResponseReader {
  status = 0;
  bodyBytes = 0;
  /** The server ends the connection after this response. */
  closes = false;
  private head = '';
  private inBody = false;

  reset(): void {
    this.head = '';
    this.inBody = false;
  }

  /**
   * @returns whether the response is complete.
   * @throws Error when it has no length, or is followed by bytes that nobody asked for
   */
  read(piece: Buffer): boolean {
    let bodyStart = 0;
    if (!this.inBody) {
      bodyStart = this.readHead(piece);
      if (bodyStart === -1) return false;
    }
    this.bodyBytes += piece.length - bodyStart;
    if (this.bodyBytes > this.expected) throw new Error('more came than the response');
    if (this.bodyBytes < this.expected) return false;
    this.reset();
    return true;
  }

  private expected = 0;

  private readHead(piece: Buffer): number {
    const before = this.head.length;
    const text = this.head + piece.toString('latin1', 0, Math.min(piece.length, 4096));
    const end = text.indexOf(END_OF_HEAD, Math.max(0, before - END_OF_HEAD.length));
    if (end === -1) {
      this.head = text;
      return -1;
    }
    const head = text.slice(0, end);
    const length = CONTENT_LENGTH.exec(head)?.[1];
    if (length === undefined) throw new Error('a response without Content-Length');
    this.status = Number(head.slice(9, 12));
    this.expected = Number(length);
    this.closes = CONNECTION_CLOSE.test(head);
    this.bodyBytes = 0;
    this.inBody = true;
    return end + END_OF_HEAD.length - before;
  }
}
