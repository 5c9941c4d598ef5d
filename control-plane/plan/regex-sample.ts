import { RE2JS } from 're2js';

/**
 * A text that a regular expression (RE2 syntax) matches as a whole: of alternatives the first, of repetitions the
 * fewest. Undefined where none was found: what an expression asks for beyond that (word boundaries, anchors in its
 * middle) is not looked for, only checked.
 */
export function sampleOf(pattern: string): string | undefined {
  const sample = new Sampler(pattern).alternatives();
  return RE2JS.compile(pattern).testExact(sample) ? sample : undefined;
}

/** Escapes that stand for one character of a class, or for a place between two. */
const ESCAPES: Readonly<Record<string, string>> = {
  d: '0',
  D: 'a',
  w: 'a',
  W: '-',
  s: ' ',
  S: 'a',
  n: '\n',
  t: '\t',
  r: '\r',
  b: '',
  B: '',
  A: '',
  z: '',
};
const PRINTABLE = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x7e - i));

/** Reads an expression that RE2 has compiled, so that it is well-formed. */
class Sampler {
  private at = 0;

  constructor(private readonly pattern: string) {}

  alternatives(): string {
    const first = this.sequence();
    while (this.skip('|')) this.sequence();
    return first;
  }

  private sequence(): string {
    let text = '';
    while (this.at < this.pattern.length && !this.sees('|') && !this.sees(')'))
      text += this.repeated(this.atom());
    return text;
  }

  private repeated(atom: string): string {
    const times = this.leastTimes();
    // Greedy or not, it is the same text.
    if (times !== undefined) this.skip('?');
    return atom.repeat(times ?? 1);
  }

  private leastTimes(): number | undefined {
    if (this.skip('*') || this.skip('?')) return 0;
    if (this.skip('+')) return 1;
    const counted = this.match(/\{(\d+)(?:,\d*)?\}/y);
    return counted === undefined ? undefined : Number(counted[1]);
  }

  private atom(): string {
    if (this.skip('(')) return this.group();
    if (this.sees('[')) return this.characterClass();
    if (this.skip('\\')) return this.escaped();
    if (this.skip('^') || this.skip('$')) return '';
    return this.skip('.') ? 'a' : this.next();
  }

  private group(): string {
    // (?:…), (?P<name>…), (?<name>…), (?i:…), (?i)
    this.match(/\?(?:P?<\w+>|[a-zA-Z-]*:?)/y);
    const text = this.alternatives();
    this.skip(')');
    return text;
  }

  private characterClass(): string {
    const [text = ''] = this.match(/\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]/sy) ?? [];
    const one = RE2JS.compile(text);
    return PRINTABLE.find((character) => one.testExact(character)) ?? '';
  }

  private escaped(): string {
    const quoted = this.match(/Q(.*?)(?:\\E|$)/sy);
    if (quoted !== undefined) return quoted[1] ?? '';
    const code = this.match(/x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))/y);
    if (code !== undefined) return String.fromCodePoint(Number.parseInt(code[1] ?? code[2] ?? '', 16));
    // A Unicode class: letters are the likeliest.
    if (this.match(/[pP](?:\{[^}]*\}|.)/y) !== undefined) return 'a';
    const character = this.next();
    return ESCAPES[character] ?? character;
  }

  private sees(character: string): boolean {
    return this.pattern[this.at] === character;
  }

  private skip(character: string): boolean {
    if (!this.sees(character)) return false;
    this.at++;
    return true;
  }

  private next(): string {
    return this.pattern[this.at++] ?? '';
  }

  /** What a sticky expression finds here. */
  private match(here: RegExp): RegExpExecArray | undefined {
    here.lastIndex = this.at;
    const found = here.exec(this.pattern);
    if (found === null) return undefined;
    this.at = here.lastIndex;
    return found;
  }
}
