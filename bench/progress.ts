/** Says on standard error what is going on: one line that changes on a terminal, a line for each step elsewhere. */
export class Progress {
  private readonly startedAt = performance.now();
  private width = 0;

  constructor(private readonly out: NodeJS.WriteStream = process.stderr) {}

  /** @param done share of the whole, 0 to 1, where that is known */
  step(text: string, done?: number): void {
    const elapsed = Math.round((performance.now() - this.startedAt) / 1000);
    const share = done === undefined ? '' : ` ${String(Math.floor(done * 100)).padStart(2)} %`;
    const line = `[${String(elapsed).padStart(4)} s${share}] ${text}`;
    if (!this.out.isTTY) {
      this.out.write(`${line}\n`);
      return;
    }
    this.out.write(`\r${line.padEnd(this.width)}`);
    this.width = line.length;
  }

  /** Takes the line away, before results are printed. */
  end(): void {
    if (this.out.isTTY && this.width > 0) this.out.write(`\r${' '.repeat(this.width)}\r`);
    this.width = 0;
  }
}
