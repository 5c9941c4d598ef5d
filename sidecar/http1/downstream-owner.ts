import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { DownstreamUser } from '../http/downstream-stream.js';
import type { Http1Limits } from '../http/limits.js';
import type { DownstreamConnection } from './downstream-connection.js';

/** What the connection's owner, a listener, does for it. */
export interface DownstreamOwner {
  readonly limits: Http1Limits;
  nowMs(): number;
  /** Who is to answer the request whose head has arrived. */
  onRequest(connection: DownstreamConnection): DownstreamUser;
  /** Who is to carry a connection to {@link DownstreamConnection.destination} that does not speak HTTP/1. */
  onOpaque(connection: DownstreamConnection): DownstreamUser;
  /** A request was refused before anybody saw it. */
  onRefused(connection: DownstreamConnection, reply: LocalReply): void;
  onClosed(connection: DownstreamConnection): void;
}
