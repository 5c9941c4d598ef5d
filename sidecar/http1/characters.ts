/** Character classes of RFC 9110 section 5.6, as tables over bytes. */

const CODES = 256;

/** For each byte: its lower-case code if it may stand in a token, else 0. */
export const TOKEN_LOWER: Uint8Array = new Uint8Array(CODES);
/** 1 for each byte that may stand in a field value: visible, space, tab, obs-text (RFC 9110 section 5.5). */
export const FIELD_VALUE: Uint8Array = new Uint8Array(CODES);
/** 1 for each byte that may stand in a request target: visible ASCII, without `#` (RFC 9112 section 3.2). */
export const TARGET: Uint8Array = new Uint8Array(CODES);

for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  TOKEN_LOWER[char.charCodeAt(0)] = char.charCodeAt(0);
  TOKEN_LOWER[char.toUpperCase().charCodeAt(0)] = char.charCodeAt(0);
}
for (let code = 0; code < CODES; code++) {
  FIELD_VALUE[code] = code === 0x09 || (code >= 0x20 && code !== 0x7f) ? 1 : 0;
  TARGET[code] = code > 0x20 && code < 0x7f && code !== 0x23 ? 1 : 0;
}

/** RFC 9112 section 2.2: whether a line of `text` from `from` on ends with a line feed alone. */
export function hasBareLineFeed(text: string, from: number): boolean {
  for (let at = text.indexOf('\n', from); at !== -1; at = text.indexOf('\n', at + 1)) {
    if (at === 0 || text.charCodeAt(at - 1) !== CR) return true;
  }
  return false;
}

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SPACE = 0x20;
export const DIGIT_ZERO = 0x30;
export const COLON = 0x3a;
