import { FIELD_VALUE, SPACE, TAB, TOKEN_LOWER } from '../http1/characters.js';
import type { HeaderField } from './header-field.js';

/**
 * What RFC 9113 section 8.2 and 8.3 say about a single field. A proxy that passed on what an HTTP/1.1 server reads in
 * another way would let requests be smuggled, so everything that is not allowed makes its message malformed.
 */

/** An ordinary field, and those that this codec looks at. */
export const ORDINARY = 1;
export const HOST = 2;
export const CONTENT_LENGTH = 3;
export const TE = 4;
/** For one hop only, or a sidecar's word to the next one: it never goes on. */
export const NOT_FORWARDED = 5;
export const FORWARDED_FOR = 6;
export const FORWARDED_PROTO = 7;
export const REQUEST_ID = 8;
export const VIA = 9;
export const BAGGAGE = 10;
export const GRPC_TIMEOUT = 11;
/** Pseudo-header fields. */
export const METHOD = 20;
export const SCHEME = 21;
export const AUTHORITY = 22;
export const PATH = 23;
export const PROTOCOL = 24;
export const STATUS = 25;
/** Everything from here on makes the message malformed; see {@link problemOf}. */
export const FIRST_PROBLEM = 40;
const NO_NAME = 40;
const BAD_NAME = 41;
const UPPER_CASE = 42;
const BAD_VALUE = 43;
const BLANK_AROUND = 44;
const OF_CONNECTION = 45;
const BAD_TE = 46;
const UNKNOWN_PSEUDO = 47;

const PROBLEMS: readonly string[] = [
  'a field has no name',
  'a field name has a character that no name may have',
  'a field name has upper-case letters',
  'a field value has a character that no value may have',
  'a field value begins or ends with white space',
  'a field is about the connection, which HTTP/2 has no such fields for',
  'TE says other than "trailers"',
  'a pseudo-header field is unknown',
];

const PSEUDO: ReadonlyMap<string, number> = new Map([
  [':method', METHOD],
  [':scheme', SCHEME],
  [':authority', AUTHORITY],
  [':path', PATH],
  [':protocol', PROTOCOL],
  [':status', STATUS],
]);

const SPECIAL: ReadonlyMap<string, number> = new Map([
  ['host', HOST],
  ['content-length', CONTENT_LENGTH],
  ['te', TE],
  ['proxy-authorization', NOT_FORWARDED],
  ['http2-settings', NOT_FORWARDED],
  ['x-roost-app-refuses', NOT_FORWARDED],
  ['x-forwarded-for', FORWARDED_FOR],
  ['x-forwarded-proto', FORWARDED_PROTO],
  ['x-request-id', REQUEST_ID],
  ['x-roost-via', VIA],
  ['baggage', BAGGAGE],
  ['grpc-timeout', GRPC_TIMEOUT],
  // RFC 9113 section 8.2.2.
  ['connection', OF_CONNECTION],
  ['proxy-connection', OF_CONNECTION],
  ['keep-alive', OF_CONNECTION],
  ['transfer-encoding', OF_CONNECTION],
  ['upgrade', OF_CONNECTION],
]);

const COLON = 0x3a;
const LETTER_A = 0x41;
const LETTER_Z = 0x5a;

/** What kind of field it is, or what is wrong with it. Found out once for each entry of a table. */
export function verdictOf(field: HeaderField): number {
  if (field.verdict === 0) field.verdict = judge(field);
  return field.verdict;
}

/** @param verdict at least {@link FIRST_PROBLEM} */
export function problemOf(verdict: number): string {
  return PROBLEMS[verdict - FIRST_PROBLEM] as string;
}

function judge({ name, value }: HeaderField): number {
  const wrong = valueProblem(value);
  if (wrong !== 0) return wrong;
  if (name.charCodeAt(0) === COLON) return PSEUDO.get(name) ?? UNKNOWN_PSEUDO;
  const problem = nameProblem(name);
  if (problem !== 0) return problem;
  const special = SPECIAL.get(name) ?? ORDINARY;
  return special === TE && value !== 'trailers' ? BAD_TE : special;
}

function nameProblem(name: string): number {
  if (name === '') return NO_NAME;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (TOKEN_LOWER[code] === code) continue;
    return code >= LETTER_A && code <= LETTER_Z ? UPPER_CASE : BAD_NAME;
  }
  return 0;
}

function valueProblem(value: string): number {
  const { length } = value;
  if (length === 0) return 0;
  for (let i = 0; i < length; i++) if (FIELD_VALUE[value.charCodeAt(i)] !== 1) return BAD_VALUE;
  return isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1)) ? BLANK_AROUND : 0;
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}
