/**
 * Control and format characters, line separators, halves of characters and code points that mean nothing: what a
 * terminal takes for orders, and what makes text look like other text (U+202E turns it round).
 */
const UNPRINTABLE = /[\p{C}\u2028\u2029]/gu;
/** The same but for line ends, which are the lines' own. */
const UNPRINTABLE_IN_LINES = /[^\P{C}\n]|[\u2028\u2029]/gu;
/** Nothing else has to be looked at twice. */
const NOT_PLAIN = /[^\n\x20-\x7e]/;

/** Longest text of a peer's that is shown in one piece. */
const MAX_SHOWN = 1000;

/**
 * A text from outside, for a terminal, a log or a page: one line, without anything that is not printed,
 * and of bounded length. `\x1b` stands for the character.
 *
 * @param most characters of the text that are shown
 */
export function printable(text: string, most = MAX_SHOWN): string {
  const shown = text.length > most ? `${text.slice(0, most)}… (${text.length - most} more characters)` : text;
  return NOT_PLAIN.test(shown) || shown.includes('\n') ? shown.replace(UNPRINTABLE, escaped) : shown;
}

/** Lines that are ours, with texts of others in them: the last look before they are written. */
export function printableLines(text: string): string {
  return NOT_PLAIN.test(text) ? text.replace(UNPRINTABLE_IN_LINES, escaped) : text;
}

/** JSON whose strings may hold what is not printed: the same JSON, with all of that escaped. */
export function printableJson(json: string): string {
  return NOT_PLAIN.test(json) ? json.replace(UNPRINTABLE_IN_LINES, escapedInJson) : json;
}

/** YAML whose strings are all in double quotes: the same, with what is not printed escaped. */
export function printableYaml(quoted: string): string {
  return quoted.replace(UNPRINTABLE_IN_LINES, escapedInYaml);
}

/** Whether all of a text is printed as it is. */
export function isPrintable(text: string): boolean {
  return printableLines(text) === text;
}

function escapedInYaml(character: string): string {
  const point = (character.codePointAt(0) as number).toString(16);
  return point.length > 4 ? `\\U${point.padStart(8, '0')}` : `\\u${point.padStart(4, '0')}`;
}

function escaped(character: string): string {
  const point = character.codePointAt(0) as number;
  if (point > 0xffff) return `\\u{${point.toString(16)}}`;
  const [letter, digits] = point > 0xff ? ['u', 4] : ['x', 2];
  return `\\${letter}${point.toString(16).padStart(digits as number, '0')}`;
}

function escapedInJson(character: string): string {
  let text = '';
  for (let i = 0; i < character.length; i++)
    text += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return text;
}
