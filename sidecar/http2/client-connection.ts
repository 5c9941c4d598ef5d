import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { DownstreamUser } from '../http/downstream-stream.js';
import type { HttpLimits } from '../http/limits.js';
import type { ClientHandler, ClientSocket } from '../net/client-socket.js';
import { Http2Connection } from './connection.js';
import type { Http2Owner } from './connection-owner.js';
import { type DownstreamPlace, Http2Downstream, refuseStream, STOPPING } from './downstream.js';
import { type Http2Limits, http2Limits } from './limits.js';
import type { RequestFields } from './message-head.js';
import { Http2Request } from './request-message.js';
import type { Http2Stream, StreamUser } from './stream.js';

/** What a listener does for its clients' connections. */
export interface Http2ClientOwner {
  readonly limits: HttpLimits;
  nowMs(): number;
  /** Who is to answer a request. */
  onRequest(downstream: Http2Downstream): DownstreamUser;
  /** A request was refused before anybody saw it. @param client its address, without the port */
  onRefused(reply: LocalReply, client: string): void;
}

/** One client's connection: each of its requests has a stream of its own. */
export class Http2ClientConnection implements ClientHandler, Http2Owner, DownstreamPlace {
  readonly isFromMachine: boolean;
  readonly localAddress: string;
  readonly limits: Http2Limits & HttpLimits;
  private readonly connection: Http2Connection;

  constructor(
    private readonly client: ClientSocket,
    private readonly owner: Http2ClientOwner,
  ) {
    this.limits = { ...owner.limits, ...http2Limits(owner.limits) };
    this.isFromMachine = client.isFromMachine;
    this.localAddress = client.localAddress;
    this.connection = new Http2Connection({
      socket: client.socket,
      role: 'server',
      owner: this,
      isFed: true,
    });
  }

  get destination(): SocketAddress | undefined {
    return this.client.destination;
  }

  /** Requests under way. */
  get streamCount(): number {
    return this.connection.streamCount;
  }

  get isIdle(): boolean {
    return this.connection.streamCount === 0;
  }

  /** It is always read, and a client that leaves ends all of its requests: there is no doubt about any. */
  readonly mayHaveLostClient = false;

  // ---- the client ----

  onData(piece: Buffer): void {
    this.connection.receive(piece);
  }

  onEnd(): void {
    this.connection.onPeerEnd();
  }

  onClose(): void {
    this.connection.onClose('closed by the client');
  }

  /** The connection's own writer is told. */
  onDrain(): void {}

  onClientLeft(): void {}

  onClientEndFound(): void {}

  // ---- the listener ----

  checkDeadlines(nowMs: number): void {
    const { connection } = this;
    connection.checkDeadlines(nowMs);
    for (const { user } of connection.allStreams)
      if (user instanceof Http2Downstream) user.checkDeadlines(nowMs);
    if (this.isIdle && nowMs - connection.idleSinceMs >= this.limits.clientIdleTimeoutMs) connection.drain();
  }

  /** The listener drains: requests finish, and the client goes elsewhere with its next ones. */
  announceEnd(): void {
    this.connection.drain();
  }

  /** It does not drain any more; but a client that was told to go is gone. */
  continue(): void {}

  endGently(): void {
    this.connection.drain();
  }

  abort(): void {
    this.connection.destroy(STOPPING);
  }

  // ---- the codec ----

  nowMs(): number {
    return this.owner.nowMs();
  }

  onRequest(stream: Http2Stream, fields: RequestFields, endStream: boolean): StreamUser {
    const request = new Http2Request(fields, this.client.sourceIp, endStream);
    const downstream = new Http2Downstream(stream, request, this, endStream);
    downstream.begin(this.owner.onRequest(downstream));
    const { maxRequestsPerConnection: most } = this.limits;
    if (most > 0 && this.connection.opened >= most) this.connection.drain();
    return downstream;
  }

  onHeadTooLarge(stream: Http2Stream): void {
    const reply = { code: 'head-too-large', detail: 'the head is beyond the limits' } as const;
    this.owner.onRefused(reply, this.client.sourceIp);
    refuseStream(stream, reply);
  }

  onMalformed(detail: string): void {
    this.owner.onRefused({ code: 'malformed-request', detail }, this.client.sourceIp);
  }

  onCapacity(): void {}
  onRetired(): void {}
  onClosed(): void {}
}
