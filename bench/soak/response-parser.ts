const END_OF_HEAD = '\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;
const CONNECTION_CLOSE = /\r\nconnection: *close/i;
const SERVED_BY = /\r\nx-served-by: *([^\r]*)/i;
const OWN_ERROR = /\r\nx-roost-error: *([^\r]*)/i;
const SET_COOKIE = /\r\nset-cookie: *([^;\r]*)/i;

type Place = 'head' | 'body' | 'chunk-size' | 'chunk' | 'trailers' | 'complete';

/** Follows one response after the other on a connection: with a length or in chunks (RFC 9112 section 7.1). */
export class ResponseParser {
  /** Of the response under way or just complete; empty: none has come. */
  head = '';
  bodyBytes = 0;
  private text = '';
  /** Bytes to come of the body, or of a chunk with its line end. */
  private left = 0;
  private place: Place = 'head';

  get status(): number {
    return Number(this.head.slice(9, 12));
  }

  get closes(): boolean {
    return CONNECTION_CLOSE.test(this.head);
  }

  /** Name of the pod that answered. */
  get servedBy(): string | undefined {
    return SERVED_BY.exec(this.head)?.[1];
  }

  /** Code of an answer that the sidecar made itself. */
  get ownError(): string | undefined {
    return OWN_ERROR.exec(this.head)?.[1];
  }

  /** `name=value`. */
  get cookie(): string | undefined {
    return SET_COOKIE.exec(this.head)?.[1];
  }

  /** Before the next response. */
  reset(): void {
    this.head = '';
    this.text = '';
    this.bodyBytes = 0;
    this.place = 'head';
  }

  /** @returns whether the response is complete. @throws Error where bytes follow it, or its end cannot be told */
  read(piece: Buffer): boolean {
    let at = 0;
    while (at < piece.length && this.place !== 'complete')
      at = this.place === 'body' || this.place === 'chunk' ? this.skip(piece, at) : this.readText(piece, at);
    if (at < piece.length) throw new Error('more came than the response');
    return this.place === 'complete';
  }

  private skip(piece: Buffer, at: number): number {
    const taken = Math.min(this.left, piece.length - at);
    this.left -= taken;
    if (this.place === 'body') this.bodyBytes += taken;
    if (this.left === 0) this.place = this.place === 'body' ? 'complete' : 'chunk-size';
    return at + taken;
  }

  /** Reads on to the end of a head or a line. @returns where the rest begins */
  private readText(piece: Buffer, at: number): number {
    const end = this.place === 'head' ? END_OF_HEAD : '\r\n';
    const before = this.text.length;
    const text = this.text + piece.toString('latin1', at, this.place === 'head' ? at + 4096 : piece.length);
    const found = text.indexOf(end);
    if (found === -1) {
      this.text = text;
      return Math.min(piece.length, at + text.length - before);
    }
    this.text = '';
    this.take(text.slice(0, found));
    return at + found + end.length - before;
  }

  private take(text: string): void {
    if (this.place === 'head') this.takeHead(text);
    else if (this.place === 'chunk-size') this.takeChunkSize(text);
    else if (text === '') this.place = 'complete';
  }

  private takeHead(head: string): void {
    this.head = head;
    const length = CONTENT_LENGTH.exec(head)?.[1];
    if (length !== undefined) {
      this.left = Number(length);
      this.place = this.left === 0 ? 'complete' : 'body';
    } else if (CHUNKED.test(head)) this.place = 'chunk-size';
    else throw new Error('a response whose end cannot be told');
  }

  private takeChunkSize(line: string): void {
    const size = Number.parseInt(line, 16);
    if (!(size >= 0)) throw new Error(`"${line}" is not a size of a chunk`);
    this.bodyBytes += size;
    this.left = size + '\r\n'.length;
    this.place = size === 0 ? 'trailers' : 'chunk';
  }
}
