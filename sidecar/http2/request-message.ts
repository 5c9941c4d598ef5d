import { randomBytes } from 'node:crypto';
import { isGrpcContentType } from '../../src/http/grpc.js';
import { type HeaderName, headerName } from '../../src/http/header-name.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { RequestMessage, VisitField } from '../http/message.js';
import { HOST, NOT_FORWARDED, REQUEST_ID, TE, verdictOf } from './field-rules.js';
import type { HeaderField } from './header-field.js';
import type { RequestFields } from './message-head.js';

/** Methods whose requests say so where they have no content (RFC 9110 section 8.6). */
const ANTICIPATES_CONTENT: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
const PSEUDO_AUTHORITY = ':authority';
const CONTENT_TYPE = headerName('content-type');

/** A request that came over HTTP/2, as every codec understands it. */
export class Http2Request implements RequestMessage {
  readonly path: string;
  readonly query: string;
  readonly bodyLength: number | undefined;
  readonly targetOrigin: SocketAddress | undefined = undefined;
  givenId = '';
  /** Undefined: not looked at yet. */
  private grpc: boolean | undefined;

  /** @param endStream it has no content */
  constructor(
    readonly head: RequestFields,
    readonly sourceIp: string,
    endStream: boolean,
  ) {
    const { path } = head;
    const mark = path.indexOf('?');
    this.path = mark === -1 ? path : path.slice(0, mark);
    this.query = mark === -1 ? '' : path.slice(mark + 1);
    const isTunnel = head.protocol !== '';
    this.bodyLength = endStream || isTunnel ? 0 : head.contentLength === -1 ? undefined : head.contentLength;
  }

  /** An extended CONNECT is what a GET that offers to switch is in HTTP/1.1 (RFC 8441 section 5). */
  get method(): string {
    return this.head.protocol === '' ? this.head.method : 'GET';
  }

  get target(): string {
    return this.head.path;
  }

  get authority(): string {
    return this.head.authority;
  }

  get isGrpc(): boolean {
    this.grpc ??= isGrpcContentType(this.header(CONTENT_TYPE));
    return this.grpc;
  }

  get upgradeOffer(): string | undefined {
    return this.head.protocol === '' ? undefined : this.head.protocol;
  }

  get id(): string {
    const { fields, pseudoCount } = this.head;
    for (let i = pseudoCount; i < fields.length; i++) {
      const field = fields[i] as HeaderField;
      if (verdictOf(field) === REQUEST_ID) return field.value;
    }
    return this.givenId;
  }

  header(name: HeaderName): string | undefined {
    const { lower } = name;
    if (lower === 'host') return this.namedAuthority;
    const { fields, pseudoCount } = this.head;
    let value: string | undefined;
    for (let i = pseudoCount; i < fields.length; i++) {
      const field = fields[i] as HeaderField;
      if (field.name !== lower) continue;
      value = value === undefined ? field.value : value + name.separator + field.value;
    }
    return value;
  }

  headerValues(name: HeaderName): readonly string[] {
    const { lower } = name;
    if (lower === 'host') return [this.namedAuthority];
    const { fields, pseudoCount } = this.head;
    const values: string[] = [];
    for (let i = pseudoCount; i < fields.length; i++) {
      const field = fields[i] as HeaderField;
      if (field.name === lower) values.push(field.value);
    }
    return values;
  }

  /** Cookies come as one field, which HTTP/1.1 has to have (RFC 9113 section 8.2.3). */
  eachField(visit: VisitField): void {
    const { fields, pseudoCount, contentLength, method } = this.head;
    let cookies = '';
    for (let i = pseudoCount; i < fields.length; i++) {
      const field = fields[i] as HeaderField;
      const verdict = verdictOf(field);
      if (verdict === HOST || verdict === TE || verdict === NOT_FORWARDED) continue;
      if (field.name !== 'cookie') visit(field.name, field.value);
      else cookies = cookies === '' ? field.value : `${cookies}; ${field.value}`;
    }
    if (cookies !== '') visit('cookie', cookies);
    if (this.bodyLength === 0 && contentLength === -1 && ANTICIPATES_CONTENT.has(method))
      visit('content-length', '0');
    // RFC 8441 section 5: HTTP/2 needs none.
    if (this.head.protocol === 'websocket') visit('sec-websocket-key', randomBytes(16).toString('base64'));
  }

  /** The authority as the client wrote it. */
  private get namedAuthority(): string {
    const { fields } = this.head;
    const field =
      fields.find(({ name }) => name === PSEUDO_AUTHORITY) ?? fields.find(({ name }) => name === 'host');
    return field?.value ?? '';
  }
}
