import { isToken } from '../http/field-line.js';
import { isGuardedHeader, isHeaderValue } from '../http/guarded-headers.js';
import type { Message } from './descriptors.js';
import { message, messages, type Problems, text, wrappedBool } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

/** What becomes of header fields on their way, at one level of the configuration. */

export interface HeaderChange {
  /** As written. */
  readonly name: string;
  readonly value: string;
  /** `add` puts another field beside what is there, `set` one in its place. */
  readonly kind: 'set' | 'add';
}

export interface HeaderChanges {
  readonly changes: readonly HeaderChange[];
  /** Lower case; they go before the others are made. */
  readonly removed: readonly string[];
}

/** Of requests and of responses, each in the order in which the levels' changes are made. */
export interface LevelledChanges {
  readonly request: readonly HeaderChanges[];
  readonly response: readonly HeaderChanges[];
}

export const NO_CHANGES: LevelledChanges = { request: [], response: [] };

/** Reads `request_headers_to_add` and its three kin from any of the messages that have them. */
export function readHeaderChanges(raw: Message, path: string, problems: Problems): LevelledChanges {
  const request = readDirection(raw, 'request', path, problems);
  const response = readDirection(raw, 'response', path, problems);
  return request.length + response.length === 0 ? NO_CHANGES : { request, response };
}

/**
 * Changes of a level and of those around it, in Envoy's order: the most specific first, so that the others have the
 * last word, unless the route configuration says otherwise.
 *
 * @param outer in the order in which they are made
 */
export function nested(
  inner: LevelledChanges,
  outer: LevelledChanges,
  mostSpecificWins: boolean,
): LevelledChanges {
  if (inner === NO_CHANGES) return outer;
  if (outer === NO_CHANGES) return inner;
  const [first, last] = mostSpecificWins ? [outer, inner] : [inner, outer];
  return {
    request: [...first.request, ...last.request],
    response: [...first.response, ...last.response],
  };
}

function readDirection(
  raw: Message,
  which: 'request' | 'response',
  path: string,
  problems: Problems,
): HeaderChanges[] {
  const field = path === '' ? `${which}_headers_to` : `${path}.${which}_headers_to`;
  const changes = messages(raw[`${which}HeadersToAdd`]).flatMap(
    (option, i) => readHeaderChange(option, `${field}_add[${i}]`, problems) ?? [],
  );
  const removed = ((raw[`${which}HeadersToRemove`] as string[] | undefined) ?? []).map((name) =>
    name.toLowerCase(),
  );
  for (const name of removed) if (isGuardedHeader(name)) refuseGuarded(name, `${field}_remove`, problems);
  return changes.length + removed.length === 0 ? [] : [{ changes, removed }];
}

/** @returns undefined where it changes nothing */
function readHeaderChange(option: Message, path: string, problems: Problems): HeaderChange | undefined {
  refuseUnsupported('envoy.config.core.v3.HeaderValueOption', option, path, problems);
  const header = message(option.header) ?? {};
  refuseUnsupported('envoy.config.core.v3.HeaderValue', header, `${path}.header`, problems);
  const name = text(header.key);
  if (!isToken(name)) problems.add(`${path}.header.key`, `"${name}" is not a header name`);
  if (isGuardedHeader(name.toLowerCase())) refuseGuarded(name, path, problems);
  const action = text(option.appendAction);
  if (action === 'ADD_IF_ABSENT' || action === 'OVERWRITE_IF_EXISTS')
    problems.add(`${path}.append_action`, `${action} is not supported`);
  const written = text(header.value);
  if (written === '' && option.keepEmptyValue !== true) return undefined;
  // `append` is the field that `append_action` took the place of.
  const overwrites = action === 'OVERWRITE_IF_EXISTS_OR_ADD' || wrappedBool(option.append) === false;
  const value = readHeaderValue(written, `${path}.header.value`, problems);
  return { name, value, kind: overwrites ? 'set' : 'add' };
}

function refuseGuarded(name: string, path: string, problems: Problems): void {
  problems.add(path, `"${name}" frames a message or belongs to one hop; it cannot be changed`);
}

/** Envoy's values are format strings: `%%` is a percent sign, `%COMMAND%` something that is not known here. */
function readHeaderValue(value: string, path: string, problems: Problems): string {
  if (value.replaceAll('%%', '').includes('%'))
    problems.add(path, 'has a command operator (%…%), which is not supported');
  const plain = value.replaceAll('%%', '%');
  if (!isHeaderValue(plain)) problems.add(path, 'has a character that no header value may have');
  return plain;
}
