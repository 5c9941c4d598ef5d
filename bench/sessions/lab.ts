import type { Placement } from '../machine.js';
import type { ProcessGroup } from '../processes.js';
import type { Progress } from '../progress.js';
import type { SessionBenchOptions } from './options.js';

/** What every measurement works with. */
export interface SessionLab {
  readonly options: SessionBenchOptions;
  readonly processes: ProcessGroup;
  readonly placement: Placement;
  readonly progress: Progress;
}

/** One line of the table: what was measured, what came out, and what it should be. */
export interface SessionFigure {
  readonly name: string;
  readonly figure: string;
  readonly goal?: string;
}

/** `1.23 (1.10–1.40)`: the middle one, with the range of the rounds. */
export function withRange(values: readonly number[], digits: number): string {
  const ascending = [...values].sort((a, b) => a - b);
  const middle = ascending[ascending.length >> 1] as number;
  const [least, most] = [ascending[0] as number, ascending.at(-1) as number];
  const text = (value: number) => value.toFixed(digits);
  return ascending.length === 1 ? text(middle) : `${text(middle)} (${text(least)}–${text(most)})`;
}
