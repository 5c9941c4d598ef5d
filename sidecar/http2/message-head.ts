import { normalAuthority } from '../../src/http/authority.js';
import { TARGET, TOKEN_LOWER } from '../http1/characters.js';
import {
  AUTHORITY,
  CONTENT_LENGTH,
  FIRST_PROBLEM,
  HOST,
  METHOD,
  PATH,
  PROTOCOL,
  problemOf,
  SCHEME,
  STATUS,
  verdictOf,
} from './field-rules.js';
import type { HeaderField } from './header-field.js';

/** What is wrong with a message (RFC 9113 section 8.1.1). Its stream ends with PROTOCOL_ERROR, and no other does. */
export type Malformed = string;

/** The head of a request (RFC 9113 section 8.3.1). */
export interface RequestFields {
  readonly method: string;
  /** Empty for a plain CONNECT. */
  readonly scheme: string;
  /** Whom it is for, from `:authority` or `host`, in the one spelling. */
  readonly authority: string;
  /** With the query; `*` for OPTIONS; empty for a plain CONNECT. */
  readonly path: string;
  /** Of an extended CONNECT (RFC 8441): what to speak through the stream. Empty for every other request. */
  readonly protocol: string;
  /** All fields as they came, the pseudo-header fields first. */
  readonly fields: readonly HeaderField[];
  /** How many of them are pseudo-header fields. */
  readonly pseudoCount: number;
  /** What it says of its content's length; -1: nothing. */
  readonly contentLength: number;
}

/** The head of a response (RFC 9113 section 8.3.2), a final or an interim one. */
export interface ResponseFields {
  readonly status: number;
  readonly fields: readonly HeaderField[];
  readonly pseudoCount: number;
  /** What it says of its content's length; -1: nothing. */
  readonly contentLength: number;
}

const SCHEME_FORM = /^[a-z][a-z0-9+.-]*$/;
const STATUS_FORM = /^[1-9]\d\d$/;
const LENGTH_FORM = /^\d{1,15}$/;
const PORT_FORM = /:\d+$/;
const SLASH = 0x2f;

/** Pseudo-header fields and those that concern the framing, while a head is read. Used again for each. */
const seen: (HeaderField | undefined)[] = [];

/** Sorts a head's fields. @returns how many pseudo-header fields it begins with, or what is wrong */
function collect(fields: readonly HeaderField[], isRequest: boolean): number | Malformed {
  seen.length = 0;
  let pseudoCount = 0;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as HeaderField;
    const verdict = verdictOf(field);
    if (verdict >= FIRST_PROBLEM) return problemOf(verdict);
    if (verdict >= METHOD) {
      if (isRequest === (verdict === STATUS)) return 'a pseudo-header field is not for this kind of message';
      if (pseudoCount !== i) return 'a pseudo-header field comes behind other fields';
      if (seen[verdict] !== undefined) return 'a pseudo-header field is given more than once';
      pseudoCount++;
      seen[verdict] = field;
    } else if (verdict === HOST || verdict === CONTENT_LENGTH) {
      const before = seen[verdict];
      if (before !== undefined && (verdict === HOST || before.value !== field.value))
        return `${field.name} is given more than once`;
      seen[verdict] = field;
    }
  }
  return pseudoCount;
}

/** Reads the head of a request. */
export function readRequest(fields: readonly HeaderField[]): RequestFields | Malformed {
  const pseudoCount = collect(fields, true);
  if (typeof pseudoCount === 'string') return pseudoCount;
  const method = seen[METHOD]?.value;
  const scheme = seen[SCHEME]?.value;
  const path = seen[PATH]?.value;
  const protocol = seen[PROTOCOL]?.value;
  if (method === undefined || !isToken(method)) return 'a request needs a method';
  const isTunnel = method === 'CONNECT' && protocol === undefined;
  if (protocol !== undefined && (method !== 'CONNECT' || !isToken(protocol)))
    return ':protocol is for CONNECT';
  if (isTunnel) {
    if (scheme !== undefined || path !== undefined) return 'CONNECT has neither scheme nor path';
  } else if (scheme === undefined || !SCHEME_FORM.test(scheme)) return 'a request needs a scheme';
  else if (path === undefined || !isPath(path, method)) return 'a request needs a path';
  const authority = readAuthority(seen[AUTHORITY]?.value, seen[HOST]?.value);
  if (authority === undefined || authority === '')
    return 'a request needs an authority that "host" agrees with';
  if (isTunnel && !PORT_FORM.test(seen[AUTHORITY]?.value ?? ''))
    return 'the authority of CONNECT is HOST:PORT';
  const contentLength = readLength();
  if (contentLength === undefined) return 'content-length is not a number';
  return {
    method,
    scheme: scheme ?? '',
    authority,
    path: path ?? '',
    protocol: protocol ?? '',
    fields,
    pseudoCount,
    contentLength,
  };
}

/** Reads the head of a response. */
export function readResponse(fields: readonly HeaderField[]): ResponseFields | Malformed {
  const pseudoCount = collect(fields, false);
  if (typeof pseudoCount === 'string') return pseudoCount;
  const status = seen[STATUS]?.value;
  if (status === undefined || !STATUS_FORM.test(status)) return 'a response needs a status of three digits';
  // RFC 9113 section 8.6: there is no switching of protocols.
  if (status === '101') return 'HTTP/2 has no 101';
  const contentLength = readLength();
  if (contentLength === undefined) return 'content-length is not a number';
  return { status: Number(status), fields, pseudoCount, contentLength };
}

/** @returns what is wrong with a trailer section; undefined: nothing */
export function trailersProblem(fields: readonly HeaderField[]): Malformed | undefined {
  for (let i = 0; i < fields.length; i++) {
    const verdict = verdictOf(fields[i] as HeaderField);
    if (verdict >= FIRST_PROBLEM) return problemOf(verdict);
    if (verdict >= METHOD) return 'a trailer section has a pseudo-header field';
  }
  return undefined;
}

/** What requests name is mostly what the one before has named. */
let lastText = '';
let lastAuthority: string | undefined = '';

function normal(text: string): string | undefined {
  if (text !== lastText) {
    lastText = text;
    lastAuthority = normalAuthority(text);
  }
  return lastAuthority;
}

/** @returns undefined: there is none, it is not one, or the two differ (section 8.3.1) */
function readAuthority(authority: string | undefined, host: string | undefined): string | undefined {
  if (authority === undefined) return host === undefined ? undefined : normal(host);
  if (host === undefined || host === authority) return normal(authority);
  const named = normalAuthority(authority);
  return named === normalAuthority(host) ? named : undefined;
}

/** @returns -1: it does not say; undefined: malformed */
function readLength(): number | undefined {
  const field = seen[CONTENT_LENGTH];
  if (field === undefined) return -1;
  return LENGTH_FORM.test(field.value) ? Number(field.value) : undefined;
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN_LOWER[text.charCodeAt(i)] === 0) return false;
  return text.length > 0;
}

/** Section 8.3.1: a path, or `*` for OPTIONS. */
function isPath(path: string, method: string): boolean {
  if (path.charCodeAt(0) !== SLASH) return path === '*' && method === 'OPTIONS';
  for (let i = 1; i < path.length; i++) if (TARGET[path.charCodeAt(i)] !== 1) return false;
  return true;
}
