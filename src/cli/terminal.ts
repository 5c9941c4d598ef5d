import { printable, printableJson, printableLines } from '../telemetry/printable.js';

/** `3s`, `12m`, `5h`, `9d` */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** Lines for a terminal: what others have put into them does not get to order it about. */
export function print(text: string): void {
  process.stdout.write(`${printableLines(text)}\n`);
}

/** The same for people who have to know what went wrong. */
export function printError(text: string): void {
  process.stderr.write(`${printableLines(text)}\n`);
}

export function printJson(value: unknown): void {
  print(printableJson(JSON.stringify(value, null, 2)));
}

/** A line that is written over as work goes on; on anything but a terminal, nothing until {@link Progress.end}. */
export class Progress {
  private shown = false;

  update(text: string): void {
    if (!process.stderr.isTTY) return;
    process.stderr.write(`\r\x1b[K${printable(text)}`);
    this.shown = true;
  }

  /** Removes the line. */
  end(): void {
    if (this.shown) process.stderr.write('\r\x1b[K');
    this.shown = false;
  }
}
