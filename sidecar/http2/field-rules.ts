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
/** Pseudo-header fields. */
export const METHOD = 10;
export const SCHEME = 11;
export const AUTHORITY = 12;
export const PATH = 13;
export const PROTOCOL = 14;
export const STATUS = 15;
/** Everything from here on makes the message malformed; see {@link problemOf}. */
export const FIRST_PROBLEM = 20;
const NO_NAME = 20;
const BAD_NAME = 21;
const UPPER_CASE = 22;
const BAD_VALUE = 23;
const BLANK_AROUND = 24;
const OF_CONNECTION = 25;
const BAD_TE = 26;
const UNKNOWN_PSEUDO = 27;

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

/** RFC 9113 section 8.2.2. */
const CONNECTION_FIELDS = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
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
  if (name === 'host') return HOST;
  if (name === 'content-length') return CONTENT_LENGTH;
  if (name === 'te') return value === 'trailers' ? ORDINARY : BAD_TE;
  return CONNECTION_FIELDS.has(name) ? OF_CONNECTION : ORDINARY;
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
