import { trimBlanks } from '../../src/http/byte-text.js';
import { unquoteCookie } from '../../src/http/cookies.js';
import { type HeaderName, headerName } from '../../src/http/header-name.js';

/** The header fields of an upstream's response. */
export interface ResponseFields {
  headerValues(name: HeaderName): readonly string[];
}

const SET_COOKIE = headerName('set-cookie');

/** Whether a response sets or takes away a cookie of this name. */
export function setsCookie(fields: ResponseFields, name: string): boolean {
  return fields.headerValues(SET_COOKIE).some((line) => nameOf(line) === name);
}

/**
 * The value that clients have for a cookie after this response.
 *
 * @returns undefined: the response does not set it, or takes it away
 */
export function valueSet(fields: ResponseFields, name: string, nowMs: number): string | undefined {
  let value: string | undefined;
  for (const line of fields.headerValues(SET_COOKIE)) {
    if (nameOf(line) !== name) continue;
    const [pair = '', ...attributes] = line.split(';');
    const set = unquoteCookie(trimBlanks(pair, pair.indexOf('=') + 1));
    value = set === '' || isOver(attributes, nowMs) ? undefined : set;
  }
  return value;
}

function nameOf(line: string): string {
  const end = line.indexOf('=');
  return end === -1 ? '' : trimBlanks(line, 0, end);
}

/** RFC 6265 section 5.3: of the two, `Max-Age` counts. */
function isOver(attributes: readonly string[], nowMs: number): boolean {
  const find = (wanted: string) =>
    attributes
      .map((attribute) => attribute.trim())
      .findLast((attribute) => attribute.toLowerCase().startsWith(wanted))
      ?.slice(wanted.length);
  const maxAge = find('max-age=');
  if (maxAge !== undefined) return Number(maxAge) <= 0;
  return Date.parse(find('expires=') ?? '') <= nowMs;
}
