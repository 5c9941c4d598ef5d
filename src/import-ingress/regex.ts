import { RE2JS } from 're2js';
import { urlText } from '../http/byte-text.js';

/** ingress-nginx's regular expressions are PCRE, and look anywhere; ours are RE2, and take the whole value. */

/** Why RE2 does not take a pattern; undefined: it does. */
export function whyRefused(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return text.replace(/^error parsing regexp: /, '');
  }
}

/** ingress-nginx looks for a pattern anywhere in the value; a match of ours is of the whole value. */
export function searching(pattern: string): string {
  const whole = pattern.startsWith('^') && /[^\\]\$$/.test(pattern) && !/[|\\]/.test(pattern);
  return whole ? pattern : `(?s:.*)(?:${pattern})(?s:.*)`;
}

/**
 * nginx matches paths without percent-encoding; ours are compared as they stand in the URL. Letters beyond ASCII are
 * encoded, those in a class excepted: there is no such class.
 */
export function asInUrl(pattern: string): string {
  return pattern.replace(/\\.|\[\^?\]?[^\]]*\]|[\u0080-\u{10ffff}]/gsu, (piece) =>
    piece.startsWith('\\') || piece.startsWith('[') ? piece : `(?:${urlText(piece)})`,
  );
}

/** A text as a regular expression that matches it. */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
