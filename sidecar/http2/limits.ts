import { DEFAULT_LIMITS, type HttpLimits } from '../http/limits.js';

/**
 * Bounds on what a peer may make one HTTP/2 connection hold, wait for or do. `docs/http2.md` names the attack that each
 * of them is for.
 */
export interface Http2Limits {
  /** Streams of a client at once: SETTINGS_MAX_CONCURRENT_STREAMS. */
  readonly maxConcurrentStreams: number;
  /** What a peer may send on a stream before it is forwarded: SETTINGS_INITIAL_WINDOW_SIZE. */
  readonly streamWindowBytes: number;
  /** What a peer may send on all streams together before it has come in. */
  readonly connectionWindowBytes: number;
  /** Names, values and 32 for each field of a head: SETTINGS_MAX_HEADER_LIST_SIZE. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** CONTINUATION frames of one head. */
  readonly maxContinuations: number;
  /** From the first byte of a frame, of a head, or of the connection's preface to the last. */
  readonly headTimeoutMs: number;
  /** Interim (1xx) responses to one request. */
  readonly maxInterimResponses: number;
  /** Answers to a peer's PING, SETTINGS and wrong frames that it has not read. */
  readonly maxUnreadReplies: number;
  /** What is sent to a peer and makes no progress for so long ends its stream. */
  readonly stallTimeoutMs: number;
}

/** The limits that both codecs share are the operator's to set. */
export function http2Limits({
  maxHeadBytes,
  maxFields,
  headTimeoutMs,
  maxInterimResponses,
}: HttpLimits): Http2Limits {
  return {
    maxConcurrentStreams: 100,
    streamWindowBytes: 262_144,
    connectionWindowBytes: 1_048_576,
    maxHeadBytes,
    maxFields,
    maxContinuations: 16,
    headTimeoutMs,
    maxInterimResponses,
    maxUnreadReplies: 1000,
    stallTimeoutMs: 60_000,
  };
}

export const DEFAULT_HTTP2_LIMITS: Http2Limits = http2Limits(DEFAULT_LIMITS);
