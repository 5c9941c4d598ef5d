/**
 * Bounds on what a peer may make us hold or wait for. Every one is a flag of the sidecar
 * (`src/cli/commands/sidecar-bounds.ts`); `docs/strictness.md` has them in a table.
 */
export interface HttpLimits {
  /** Request or response line and fields, together. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** Trailer section of a chunked body. */
  readonly maxTrailerBytes: number;
  /** From the first byte of a head to its last. */
  readonly headTimeoutMs: number;
  /** Between requests on a client's connection. */
  readonly clientIdleTimeoutMs: number;
  /** Without a byte in either direction during an exchange; 0: none. A route may set its own. */
  readonly streamIdleTimeoutMs: number;
  /** Without a byte in either direction through a tunnel; 0: none. */
  readonly tunnelIdleTimeoutMs: number;
  /**
   * A request whose client has ended its side goes on without an answer, where the client cannot be seen to be there; 0:
   * for as long as it takes.
   */
  readonly clientFinTimeoutMs: number;
  /** Bytes per second of a request's body while its response has not begun; 0: however few. */
  readonly minBodyRate: number;
  /** Client connections open at once, of one listener. */
  readonly maxConnections: number;
  /** The response to this one of a client connection's requests ends it; 0: none does. */
  readonly maxRequestsPerConnection: number;
  /** Interim (1xx) responses to one request. */
  readonly maxInterimResponses: number;
  /** Request body kept for a retry; a request with a longer one is not retried once part of it is sent. */
  readonly maxReplayBytes: number;
  /** Of a request body, read and thrown away after an early response, so that the client gets to read it. */
  readonly maxDiscardBytes: number;
  /** Between requests on a connection to an upstream; it may itself say less. 0: none serves a second one. */
  readonly upstreamIdleTimeoutMs: number;
  /** A connection to an upstream serves no new request once it is this old, less up to a tenth. */
  readonly maxUpstreamAgeMs: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  maxHeadBytes: 65_536,
  maxFields: 100,
  maxTrailerBytes: 8192,
  headTimeoutMs: 10_000,
  clientIdleTimeoutMs: 300_000,
  streamIdleTimeoutMs: 300_000,
  tunnelIdleTimeoutMs: 3_600_000,
  clientFinTimeoutMs: 30_000,
  minBodyRate: 100,
  maxConnections: 10_000,
  maxRequestsPerConnection: 10_000,
  maxInterimResponses: 16,
  maxReplayBytes: 65_536,
  maxDiscardBytes: 262_144,
  upstreamIdleTimeoutMs: 4000,
  maxUpstreamAgeMs: 3_600_000,
};

/** A limit that a request has met; the names are those of `spec.limits`. */
export type LimitName =
  | 'connections'
  | 'pending'
  | 'requests'
  | 'perEndpointConnections'
  | 'perEndpointRequests';
