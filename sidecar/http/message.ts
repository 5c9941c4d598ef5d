import type { HeaderName } from '../../src/http/header-name.js';
import type { RequestChanges } from '../../src/routing/actions.js';
import type { RequestView } from '../../src/routing/request-view.js';

/** One field of a head or a trailer section. Names as they came; values are latin-1 strings: one character, one byte. */
export type Field = readonly [name: string, value: string];

export const NO_FIELDS: readonly Field[] = [];

/** A request as every codec understands it. Valid until the exchange is over: codecs fill the same object again. */
export interface RequestMessage extends RequestView {
  /** Path and query, or `*`. */
  readonly target: string;
  /** Who the request is for: `host` or `host:port`, in the one spelling. */
  readonly authority: string;
  /** Bytes of the body; undefined: only its end will tell. */
  readonly bodyLength: number | undefined;
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
  /** Value of a header; several of the same name joined with {@link HeaderName.separator}. */
  header(name: HeaderName): string | undefined;
  /** Each value of a header; empty where there is none. */
  headerValues(name: HeaderName): readonly string[];
}

/** What the sidecar changes in a request beyond what HTTP asks of every proxy. */
export interface RequestEdits {
  /** Added where the request has none. */
  readonly requestId: () => string;
  /** What a sidecar knows the request by if it comes back; undefined: nothing. */
  readonly via?: string;
  /** New value of the `baggage` header; undefined: as it is. */
  readonly baggage: string | undefined;
  /** What the route changes; undefined: nothing. */
  readonly changes?: RequestChanges | undefined;
  /** The upstream is not offered another protocol. */
  readonly offersNothing?: boolean;
}
