import { RE2JS } from 're2js';

/**
 * Bounds on regular expressions, which operators and other control planes write. Matching is linear whatever they
 * say; compiling takes time and memory in proportion to the program, and `(\pL{1000}){1000}` is short.
 */
export const MAX_PATTERN_LENGTH = 8192;
/** In instructions, about 45 µs and at most a few kilobytes each. */
export const MAX_PROGRAM_SIZE = 10_000;

/** Longest text taken of the compiler's reason, which has the pattern in it. */
const MAX_REASON_LENGTH = 200;

/** What is wrong with a pattern in RE2 syntax; undefined where nothing is. */
export function regexProblem(pattern: string, maxLength = MAX_PATTERN_LENGTH): string | undefined {
  if (pattern.length > maxLength)
    return `is longer than ${maxLength} characters, the most that a regular expression may have`;
  if (programSizeBound(pattern) > MAX_PROGRAM_SIZE)
    return `repeats too much: as a program it would have more than ${MAX_PROGRAM_SIZE} instructions`;
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return `is not an RE2 regular expression: ${why.slice(0, MAX_REASON_LENGTH)}`;
  }
}

/** Literal text in quotes, an escape, a class, or the start of a group, with what says its kind. */
const QUOTED = /\\Q.*?(?:\\E|$)/sy;
const ESCAPE = /\\(?:[pPx]\{[^}]*\}|.)/sy;
const CLASS = /\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]])*\]?/sy;
const GROUP = /\((?:\?(?:P?<\w*>|[a-zA-Z-]*:)?)?/y;
const COUNT = /\{(\d+)(?:,(\d*))?\}/y;

/**
 * About how many instructions RE2 makes of a pattern, hardly ever more: repetitions are written out. Needs no
 * parsing, and says something of every text.
 */
export function programSizeBound(pattern: string): number {
  /** Of each group that is open, what came before it. */
  const outer: number[] = [];
  let total = 0;
  /** The last item, which a repetition would be of. */
  let item = 0;
  const next = (size: number) => {
    total += item;
    item = size;
  };
  for (let at = 0; at < pattern.length; ) {
    const found = (form: RegExp) => {
      form.lastIndex = at;
      return form.exec(pattern);
    };
    const character = pattern[at] as string;
    const count = character === '{' ? found(COUNT) : null;
    const piece = count ?? pieceAt(character, found);
    const length = piece?.[0].length ?? 1;
    if (count) item *= 2 * Math.max(1, Number(count[1]), Number(count[2] ?? 0));
    else if (character === '(') {
      next(0);
      outer.push(total);
      total = 0;
    } else if (character === ')' && outer.length > 0) {
      item += total + 2;
      total = outer.pop() as number;
    } else next(piece?.[0].startsWith('\\Q') ? length : 1);
    at += length;
  }
  return outer.reduce((sum, size) => sum + size, total + item);
}

function pieceAt(character: string, found: (form: RegExp) => RegExpExecArray | null): RegExpExecArray | null {
  if (character === '\\') return found(QUOTED) ?? found(ESCAPE);
  if (character === '[') return found(CLASS);
  return character === '(' ? found(GROUP) : null;
}
