import { DEFAULT_PORT, normalAuthority, parseAuthority } from '../../src/http/authority.js';
import type { HeaderName } from '../../src/http/header-name.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { RequestMessage, VisitField } from '../http/message.js';
import { ProtocolError } from '../http/protocol-error.js';
import { SPACE, TARGET, TOKEN_LOWER } from './characters.js';
import { type ConnectionOptions, connectionOptions } from './connection-options.js';
import { eachRequestField } from './end-to-end-fields.js';
import { bodyLengthOf, type Framing, requestFraming } from './framing.js';
import { HeaderBlock, ID } from './header-block.js';

/**
 * The head of a request, parsed strictly (RFC 9112 sections 2 to 6). One object is filled again for every
 * request of a connection.
 */
export class RequestHead implements RequestMessage {
  method = '';
  /** As it goes to the upstream: origin form, `*` for OPTIONS, `host:port` for CONNECT. */
  target = '';
  path = '';
  query = '';
  authority = '';
  /** The same as a target in absolute form, or of CONNECT, has it; empty where the target does not say. */
  targetAuthority = '';
  /** 0 or 1: the x of HTTP/1.x. */
  minorVersion = 1;
  framing: Framing = { kind: 'none', length: 0 };
  connection: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, nominated: [] };
  readonly isGrpc = false;
  /** The target named the authority itself, as a request to a proxy does; `Host` then gives way to it. */
  absoluteForm = false;
  /** The X-Request-Id that it goes on with where it came without one: the same in every attempt. */
  givenId = '';
  readonly headers: HeaderBlock;
  private text = '';

  constructor(
    maxFields: number,
    readonly sourceIp: string,
  ) {
    this.headers = new HeaderBlock(maxFields);
  }

  /** The client wants the connection to go on after this exchange. */
  get keepAlive(): boolean {
    return !this.connection.close && (this.minorVersion === 1 || this.connection.keepAlive);
  }

  /**
   * HTTP/1.0 cannot switch (RFC 9110 section 7.8). `h2c` never goes on: it would take every later request past this
   * proxy.
   */
  get upgradeOffer(): string | undefined {
    if (!this.connection.upgrade || this.minorVersion === 0 || this.framing.kind !== 'none') return undefined;
    const protocols = (this.headers.known(ID.upgrade) ?? '').split(',').map((protocol) => protocol.trim());
    const allowed = protocols.filter((protocol) => protocol !== '' && !/^h2c?(?:$|\/)/i.test(protocol));
    return allowed.length === 0 ? undefined : allowed.join(', ');
  }

  get bodyLength(): number | undefined {
    return bodyLengthOf(this.framing);
  }

  /** Where a target in absolute form leads; undefined: the target does not say. */
  get targetOrigin(): SocketAddress | undefined {
    const authority = this.absoluteForm ? parseAuthority(this.targetAuthority) : undefined;
    return authority && { host: authority.host, port: authority.port ?? DEFAULT_PORT };
  }

  /** Its X-Request-Id, as it goes on; empty: it has none yet. */
  get id(): string {
    return this.headers.known(ID['x-request-id']) ?? this.givenId;
  }

  header(name: HeaderName): string | undefined {
    if (this.absoluteForm && name.lower === 'host') return this.targetAuthority;
    return this.headers.get(name);
  }

  headerValues(name: HeaderName): readonly string[] {
    if (this.absoluteForm && name.lower === 'host') return [this.targetAuthority];
    return this.headers.getAll(name);
  }

  eachField(visit: VisitField): void {
    eachRequestField(this, visit);
  }

  /**
   * @param text the whole head in latin-1, up to and including the empty line
   * @param bytes the text's bytes, from `offset` on
   * @throws ProtocolError
   */
  parse(text: string, bytes?: Buffer, offset?: number): void {
    this.text = text;
    this.givenId = '';
    const endOfLine = text.indexOf('\r\n');
    this.parseRequestLine(endOfLine);
    this.headers.parse(text, endOfLine + 2, text.length - 2, bytes, offset);
    this.framing = requestFraming(this.headers, this.minorVersion);
    this.connection = connectionOptions(this.headers);
    this.readAuthority();
    this.splitTarget();
  }

  /**
   * Lets go of all text. What an idle connection holds on to outlives the young generation: a thousand of them
   * would keep the collector of the old one busy with their last requests.
   */
  forget(): void {
    this.text = '';
    this.target = '';
    this.path = '';
    this.query = '';
    this.authority = '';
    this.targetAuthority = '';
    this.givenId = '';
    this.headers.forget();
  }

  /** `method SP request-target SP HTTP-version` (RFC 9112 section 3), with exactly one space each. */
  private parseRequestLine(end: number): void {
    const { text } = this;
    let at = 0;
    while ((TOKEN_LOWER[text.charCodeAt(at)] as number) > 0) at++;
    if (at === 0 || text.charCodeAt(at) !== SPACE)
      throw new ProtocolError('the request line does not start with a method');
    this.method = methodOf(text, at);
    const targetStart = ++at;
    while (TARGET[text.charCodeAt(at)] === 1) at++;
    if (at === targetStart || text.charCodeAt(at) !== SPACE)
      throw new ProtocolError('the request target has a character that none may have');
    this.target = text.slice(targetStart, at);
    this.minorVersion = parseVersion(text, at + 1, end);
  }

  private readAuthority(): void {
    const hosts = this.headers.countOf(ID.host);
    if (hosts > 1) throw new ProtocolError('Host is given more than once');
    if (hosts === 0 && this.minorVersion === 1) throw new ProtocolError('an HTTP/1.1 request needs a Host');
    const host = normalAuthority(this.headers.known(ID.host) ?? '');
    if (host === undefined) throw new ProtocolError('the Host is not a host with an optional port');
    this.authority = host;
    this.targetAuthority = '';
    this.absoluteForm = false;
  }

  /** RFC 9112 section 3.2: which form of target each method may have. */
  private splitTarget(): void {
    const { target, method } = this;
    if (method === 'CONNECT') {
      const authority = normalAuthority(target);
      // RFC 9110 section 9.3.6: there is no default port.
      if (authority === undefined || !/:\d+$/.test(target))
        throw new ProtocolError('a CONNECT target is HOST:PORT');
      if (this.framing.kind !== 'none') throw new ProtocolError('a CONNECT request has no body');
      this.authority = authority;
      this.targetAuthority = target;
      this.path = '';
      this.query = '';
      return;
    }
    if (target.charCodeAt(0) !== 0x2f) this.readAbsoluteForm();
    const mark = this.target.indexOf('?');
    this.path = mark === -1 ? this.target : this.target.slice(0, mark);
    this.query = mark === -1 ? '' : this.target.slice(mark + 1);
  }

  private readAbsoluteForm(): void {
    if (this.target === '*') {
      if (this.method !== 'OPTIONS') throw new ProtocolError('the target "*" is for OPTIONS only');
      return;
    }
    const [, written = '', rest = ''] = /^http:\/\/([^/?]*)(.*)$/i.exec(this.target) ?? [];
    const authority = normalAuthority(written);
    // RFC 9110 section 4.2.1: an http:// URL without a host is none.
    if (written === '' || authority === undefined)
      throw new ProtocolError('the request target is neither a path nor an http:// URL');
    // RFC 9112 section 3.2.2: the target's authority replaces what Host says.
    this.authority = authority;
    this.targetAuthority = written;
    this.absoluteForm = true;
    if (rest === '') this.target = this.method === 'OPTIONS' ? '*' : '/';
    else this.target = rest.startsWith('/') ? rest : `/${rest}`;
  }
}

/** Common methods without a new string. */
function methodOf(text: string, length: number): string {
  if (length === 3 && text.startsWith('GET')) return 'GET';
  if (length === 4 && text.startsWith('POST')) return 'POST';
  return text.slice(0, length);
}

/** `HTTP/1.0` or `HTTP/1.1`, up to the end of the line. */
export function parseVersion(text: string, start: number, end: number): number {
  if (end - start === 8 && text.startsWith('HTTP/1.', start)) {
    const minor = text.charCodeAt(start + 7) - 0x30;
    if (minor === 0 || minor === 1) return minor;
  }
  const status = /^HTTP\/\d\.\d$/.test(text.slice(start, end)) ? 505 : 400;
  throw new ProtocolError('the HTTP version is neither 1.0 nor 1.1', status);
}
