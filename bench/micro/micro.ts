import { fileURLToPath } from 'node:url';
import type { ProcessGroup } from '../processes.js';
import type { SpecialFigure } from '../report/results.js';
import { measureDecision } from './decision.js';
import { measureRing } from './ring-cost.js';
import { measureSessionTable } from './session-memory.js';

/** The in-process measurements, each in a process of its own: what ran before changes what the compiler does. */
const PROGRAM = fileURLToPath(import.meta.url);
const PARTS = [measureSessionTable, measureRing, measureDecision];

export async function measureMicro(
  processes: ProcessGroup,
  cores: string | undefined,
): Promise<SpecialFigure[]> {
  const figures: SpecialFigure[] = [];
  for (const part of PARTS.keys()) {
    const { stdout } = await processes.run(process.execPath, [PROGRAM, String(part)], {
      name: 'the micro-benchmarks',
      cores,
    });
    figures.push(...(JSON.parse(stdout) as SpecialFigure[]));
  }
  return figures;
}

if (process.argv[1] === PROGRAM) {
  const measure = PARTS[Number(process.argv[2])];
  if (measure === undefined) throw new RangeError(`no such part: ${process.argv[2]}`);
  process.stdout.write(JSON.stringify(measure()));
}
