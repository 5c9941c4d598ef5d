import type { Field } from '../../src/http/field-line.js';
import type { HeaderName } from '../../src/http/header-name.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { FieldChanges, RequestChanges } from '../../src/routing/actions.js';
import type { RequestView } from '../../src/routing/request-view.js';

/** Visits the fields that go on to the other side: those of one hop only (RFC 9110 section 7.6.1) are left out. */
export type VisitField = (name: string, value: string) => void;

/**
 * A request as every codec understands it. Valid until the exchange is over: codecs fill the same object again.
 * `header` and `headerValues` of `host` give the authority as the client wrote it, wherever the protocol has it.
 */
export interface RequestMessage extends RequestView {
  /** Path and query, or `*`. */
  readonly target: string;
  /** Bytes of the body; undefined: only its end will tell. */
  readonly bodyLength: number | undefined;
  /** Its X-Request-Id, as it goes on; empty: it has none yet. */
  readonly id: string;
  /** The X-Request-Id that it goes on with where it came without one: the same in every attempt. */
  givenId: string;
  /** Where the target itself leads, as that of a request to a proxy does; undefined: the target does not say. */
  readonly targetOrigin: SocketAddress | undefined;
  /** A call of gRPC, which only HTTP/2 carries: its deadline and its status are the call's. */
  readonly isGrpc: boolean;
  /** Protocols that the client offers to switch to, as they go on, separated by ", "; undefined: none. */
  readonly upgradeOffer: string | undefined;
  /** Every field that goes on but `host`. A `content-length` is among them. */
  eachField(visit: VisitField): void;
}

/** A response as every codec understands it. Valid until the callback that brings it returns. */
export interface ResponseMessage {
  readonly status: number;
  /** 1xx but for 101: more responses to the same request follow. */
  readonly isInterim: boolean;
  /** Bytes of the body; undefined: only its end will tell. */
  readonly bodyLength: number | undefined;
  /** The upstream can take more after this response; false: it loses what is sent from now on. */
  readonly keepAlive: boolean;
  /** The protocol that a 101 switches to; undefined: it switches to none. */
  readonly switchesTo: string | undefined;
  /** Value of a header; several of the same name joined with {@link HeaderName.separator}. */
  header(name: HeaderName): string | undefined;
  /** Each value of a header; empty where there is none. */
  headerValues(name: HeaderName): readonly string[];
  /** Every field that goes on. A `content-length` is among them. */
  eachField(visit: VisitField): void;
}

/** What the sidecar changes in a request beyond what HTTP asks of every proxy. */
export interface RequestEdits {
  /** Added where the request has none. */
  readonly requestId: () => string;
  /** What a sidecar knows the request by if it comes back; undefined: nothing. */
  readonly via?: string;
  /** New value of the `baggage` header; undefined: as it is. */
  readonly baggage: string | undefined;
  /** New value of `grpc-timeout`, of a call of gRPC; not given: as it is. */
  readonly grpcTimeout?: string | undefined;
  /** What the route changes; undefined: nothing. */
  readonly changes?: RequestChanges | undefined;
  /** The upstream is not offered another protocol. */
  readonly offersNothing?: boolean;
}

/** What the sidecar changes in a response. */
export interface ResponseEdits {
  readonly added: readonly Field[];
  /** What the route changes in the upstream's fields; undefined: nothing. */
  readonly changes: FieldChanges | undefined;
}
