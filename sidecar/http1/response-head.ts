import type { HeaderName } from '../../src/http/header-name.js';
import type { ResponseMessage, VisitField } from '../http/message.js';
import { ProtocolError } from '../http/protocol-error.js';
import { FIELD_VALUE, SPACE } from './characters.js';
import { type ConnectionOptions, connectionOptions } from './connection-options.js';
import { eachResponseField } from './end-to-end-fields.js';
import { bodyLengthOf, type Framing, hasStrayBody, responseFraming } from './framing.js';
import { HeaderBlock, ID } from './header-block.js';
import { parseVersion } from './request-head.js';

const VERSION_LENGTH = 8;
const KEEP_ALIVE_TIMEOUT = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,9})\b/i;

/** The head of a response, parsed strictly. One object is filled again for every response of a connection. */
export class ResponseHead implements ResponseMessage {
  status = 0;
  /** Without the version: `200 OK`; the space is there even where no reason follows (RFC 9112 section 4). */
  statusAndReason = '';
  minorVersion = 1;
  framing: Framing = { kind: 'none', length: 0 };
  connection: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, nominated: [] };
  readonly headers: HeaderBlock;
  private strayBody = false;

  constructor(maxFields: number) {
    this.headers = new HeaderBlock(maxFields);
  }

  /** 1xx but for 101: more heads follow. */
  get isInterim(): boolean {
    return this.status < 200 && this.status !== 101;
  }

  /** The connection can go on after this response: the server lets it, and it is clear where the next one starts. */
  get keepAlive(): boolean {
    if (this.connection.close || this.strayBody) return false;
    return this.minorVersion === 1 || this.connection.keepAlive;
  }

  get bodyLength(): number | undefined {
    return bodyLengthOf(this.framing);
  }

  get switchesTo(): string | undefined {
    return this.status === 101 ? this.headers.known(ID.upgrade) : undefined;
  }

  eachField(visit: VisitField): void {
    eachResponseField(this, visit);
  }

  header(name: HeaderName): string | undefined {
    return this.headers.get(name);
  }

  headerValues(name: HeaderName): readonly string[] {
    return this.headers.getAll(name);
  }

  /**
   * @param text the whole head in latin-1, up to and including the empty line
   * @param method of the request that this answers
   * @param bytes the text's bytes, from `offset` on
   * @throws ProtocolError
   */
  parse(text: string, method: string, bytes?: Buffer, offset?: number): void {
    const endOfLine = text.indexOf('\r\n');
    this.parseStatusLine(text, endOfLine);
    this.headers.parse(text, endOfLine + 2, text.length - 2, bytes, offset);
    this.framing = responseFraming(this.headers, this.minorVersion, this.status, method);
    this.strayBody = hasStrayBody(this.headers, this.status);
    this.connection = connectionOptions(this.headers);
    if (this.status === 101 && this.headers.countOf(ID.upgrade) === 0)
      throw new ProtocolError('a 101 response names no protocol');
  }

  /**
   * How long the server says that it keeps the connection without a request, in milliseconds; undefined: it does not say.
   * `Keep-Alive: timeout=5, max=100` was never standardised; Node, Apache and others send it.
   */
  get keepAliveTimeoutMs(): number | undefined {
    const hint = this.headers.known(ID['keep-alive']);
    if (hint === undefined) return undefined;
    const seconds = KEEP_ALIVE_TIMEOUT.exec(hint)?.[1];
    return seconds === undefined ? undefined : Number(seconds) * 1000;
  }

  /** Lets go of all text, for the same reason as `RequestHead` does. */
  forget(): void {
    this.statusAndReason = '';
    this.headers.forget();
  }

  /** `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 section 4); the second space may be missing. */
  private parseStatusLine(text: string, end: number): void {
    this.minorVersion = parseVersion(text, 0, Math.min(VERSION_LENGTH, end));
    const code = text.slice(VERSION_LENGTH + 1, VERSION_LENGTH + 4);
    const afterCode = VERSION_LENGTH + 4;
    if (text.charCodeAt(VERSION_LENGTH) !== SPACE || !/^[1-9]\d\d$/.test(code))
      throw new ProtocolError('the status line has no status');
    if (afterCode < end && text.charCodeAt(afterCode) !== SPACE)
      throw new ProtocolError('the status line has no status of three digits');
    for (let at = afterCode; at < end; at++) {
      if (FIELD_VALUE[text.charCodeAt(at)] !== 1)
        throw new ProtocolError('the reason phrase has a character that none may have');
    }
    this.status = Number(code);
    this.statusAndReason = afterCode < end ? text.slice(VERSION_LENGTH + 1, end) : `${code} `;
  }
}
