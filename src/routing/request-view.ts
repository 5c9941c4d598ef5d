import { normalAuthority } from '../http/authority.js';
import { urlText, utf8Bytes } from '../http/byte-text.js';
import { type HeaderName, headerName } from '../http/header-name.js';

const HOST = headerName('host');

/** What a decision may look at in a request. Header values are latin-1 strings: one character, one byte. */
export interface RequestView {
  readonly method: string;
  /**
   * Whom the request is for, in the one spelling: `host` or `host:port`, from `:authority`, a target in absolute form or
   * `Host`, whichever says it first. Empty: the request names no host.
   */
  readonly authority: string;
  /** Without the query. */
  readonly path: string;
  /** Without the question mark; empty where there is none. */
  readonly query: string;
  /** Address of the caller, without a port. */
  readonly sourceIp: string;
  /** Value of a header; several of the same name joined with {@link HeaderName.separator}. */
  header(name: HeaderName): string | undefined;
  /** Each value of a header; empty where there is none. */
  headerValues(name: HeaderName): readonly string[];
}

/**
 * A request made of text, for `explain`, `plan` and tests: its bytes are those of UTF-8, and what no target can hold is
 * percent-encoded.
 */
export function plainRequest(options: {
  readonly method?: string;
  /** With or without a query. */
  readonly path?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly sourceIp?: string;
}): RequestView {
  const target = urlText(options.path ?? '/');
  const mark = target.indexOf('?');
  const values = (name: HeaderName) =>
    (options.headers ?? [])
      .filter(([key]) => key.toLowerCase() === name.lower)
      .map(([, value]) => utf8Bytes(value));
  return {
    method: options.method ?? 'GET',
    authority: normalAuthority(values(HOST)[0] ?? '') ?? '',
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? '' : target.slice(mark + 1),
    sourceIp: options.sourceIp ?? '127.0.0.1',
    header: (name) => {
      const found = values(name);
      return found.length === 0 ? undefined : found.join(name.separator);
    },
    headerValues: values,
  };
}
