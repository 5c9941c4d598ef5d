import { styleText } from 'node:util';
import { type Check, format } from './checks.js';

/** A number that differs from the promise, and the step that measured it. */
export interface Failure {
  readonly step: string;
  readonly check: Check;
}

export interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const INDENT = '    ';
const NAME_WIDTH = 50;
const MEASURED_WIDTH = 26;
const PROMISED_WIDTH = 22;
/** Without a terminal, progress is reported no more often than this. */
const PLAIN_PROGRESS_MS = 2000;

/** The demo's output: steps, commands, measured numbers. */
export class Report {
  readonly failures: Failure[] = [];
  checks = 0;
  private step = '';
  private progressShown = false;
  private ended = false;
  private lastLineAtMs = performance.now();

  constructor(
    private readonly output: Output,
    private readonly colours: boolean,
  ) {}

  /** A step of the story begins. */
  begin(step: string, title: string): void {
    this.step = step;
    this.line('');
    this.line(this.style('bold', `(${step}) ${title}`));
  }

  say(text: string): void {
    this.line(`${INDENT}${text}`);
  }

  /** A command that was run, as a user would type it, and what it printed. */
  command(line: string, printed: string): void {
    this.line(`${INDENT}${this.style('cyan', `$ ${line}`)}`);
    for (const text of printed.trimEnd().split('\n')) if (text !== '') this.line(`${INDENT}  ${text}`);
  }

  /** A table of measured numbers. */
  measured(...checks: readonly Check[]): void {
    this.row('', 'measured', 'promised', '');
    for (const check of checks) {
      this.checks++;
      if (!check.ok) this.failures.push({ step: this.step, check });
      const verdict = check.ok ? this.style('green', 'ok') : this.style('red', 'FAILED');
      this.row(check.name, check.measured, check.promised, verdict);
    }
  }

  /** Progress: on a terminal one line that is overwritten, elsewhere a line now and then. */
  progress(text: string): void {
    if (this.ended) return;
    if (this.output.isTTY === true) {
      this.output.write(`\r\x1b[K${INDENT}${this.style('dim', `${text} …`)}`);
      this.progressShown = true;
    } else if (performance.now() - this.lastLineAtMs >= PLAIN_PROGRESS_MS) {
      this.line(`${INDENT}${text} …`);
    }
  }

  /** Every number at the end. @returns whether all are as promised */
  finish(seconds: number): boolean {
    this.line('');
    const kept = this.failures.length === 0;
    if (kept) {
      this.line(
        this.style('green', `All ${format(this.checks)} numbers are what was promised.`) +
          ` ${seconds.toFixed(0)} s`,
      );
    } else {
      this.line(
        this.style('red', `${this.failures.length} of ${this.checks} numbers are not what was promised:`),
      );
      for (const { step, check } of this.failures)
        this.line(`${INDENT}(${step}) ${check.name}: ${check.measured}; promised: ${check.promised}`);
    }
    return kept;
  }

  /** Prints a last line, and suppresses the output of steps that are still running. */
  end(text: string): void {
    this.line(text);
    this.ended = true;
  }

  line(text: string): void {
    if (this.ended) return;
    if (this.progressShown) this.output.write('\r\x1b[K');
    this.progressShown = false;
    this.lastLineAtMs = performance.now();
    this.output.write(`${text}\n`);
  }

  private row(name: string, measured: string, promised: string, verdict: string): void {
    const cells = name.padEnd(NAME_WIDTH) + measured.padEnd(MEASURED_WIDTH) + promised.padEnd(PROMISED_WIDTH);
    const text = `${INDENT}${cells}${verdict}`.trimEnd();
    this.line(verdict === '' ? this.style('dim', text) : text);
  }

  private style(format: Parameters<typeof styleText>[0], text: string): string {
    return this.colours ? styleText(format, text) : text;
  }
}
