/**
 * What may stand in the head of a message. Configuration is checked where it arrives; the writer of a head asks once
 * more, so that no text of it becomes two lines, whatever came past the border (RFC 9110 section 5.5, RFC 9112
 * section 11.1).
 */

/** RFC 9110 section 5.6.2: names of headers and cookies, methods. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** One field of a head or a trailer section. Names as they came; values are latin-1 strings: one character, one byte. */
export type Field = readonly [name: string, value: string];

export const NO_FIELDS: readonly Field[] = [];

/** Bytes that may stand in a header's value: visible ones, spaces and tabs. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * A header line with its line end. Empty where it would not be one line: a message without the header does less harm
 * than two messages.
 *
 * @param value a byte string
 */
export function fieldLine(name: string, value: string): string {
  return isField(name, value) ? `${name}: ${value}\r\n` : '';
}

/** The lines of several fields, each with its line end. */
export function fieldLines(fields: readonly Field[]): string {
  let text = '';
  for (const [name, value] of fields) text += fieldLine(name, value);
  return text;
}

/** Whether a codec may write this field. @param value a byte string */
export function isField(name: string, value: string): boolean {
  return isToken(name) && FIELD_VALUE.test(value);
}

/** Whether this can be written as the `Path` of a cookie (RFC 6265 section 4.1.1): no ";", which ends an attribute. */
export function isCookiePath(path: string): boolean {
  return /^\/[\x20-\x3a\x3c-\x7e]*$/.test(path);
}

/** Whether this can be the `Domain` of a cookie; clients do not mind a leading dot (RFC 6265 section 5.2.3). */
export function isCookieDomain(domain: string): boolean {
  return /^\.?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(domain);
}
