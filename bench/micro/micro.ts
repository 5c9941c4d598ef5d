import { fileURLToPath } from 'node:url';
import type { ProcessGroup } from '../processes.js';
import type { SpecialFigure } from '../report/results.js';
import { measureDecision } from './decision.js';
import { measureRing } from './ring-cost.js';
import { measureSessionTable } from './session-memory.js';

/** The in-process measurements, in a process of their own: what ran before would change what the compiler does. */
const PROGRAM = fileURLToPath(import.meta.url);

export async function measureMicro(
  processes: ProcessGroup,
  cores: string | undefined,
): Promise<SpecialFigure[]> {
  const { stdout } = await processes.run(process.execPath, [PROGRAM], {
    name: 'the micro-benchmarks',
    cores,
  });
  return JSON.parse(stdout) as SpecialFigure[];
}

if (process.argv[1] === PROGRAM) {
  const figures = [...measureSessionTable(), ...measureRing(), ...measureDecision()];
  process.stdout.write(JSON.stringify(figures));
}
