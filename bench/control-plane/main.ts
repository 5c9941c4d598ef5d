import { placeOnCores } from '../machine.js';
import { median } from '../measure/percentiles.js';
import { ProcessGroup } from '../processes.js';
import { Progress } from '../progress.js';
import { formatNumber } from '../report/number-format.js';
import { textTable } from '../report/text-table.js';
import type { Lab } from './lab.js';
import { measureBytes } from './measure/bytes.js';
import { measureChange } from './measure/change.js';
import { measureChurn } from './measure/churn.js';
import { measureCold } from './measure/cold.js';
import { measureMemory } from './measure/memory.js';
import { measureReconnect } from './measure/reconnect.js';
import { measureSidecarCost } from './measure/sidecar-cost.js';
import { readOptions } from './options.js';

const options = readOptions(process.argv.slice(2));
const lab: Lab = {
  options,
  processes: new ProcessGroup(),
  placement: placeOnCores(),
  progress: new Progress(),
};
const M: Record<string, (lab: Lab) => Promise<any>> = {
  change: measureChange,
  churn: measureChurn,
  reconnect: measureReconnect,
  memory: measureMemory,
  bytes: measureBytes,
  cold: measureCold,
  sidecar: measureSidecarCost,
};
try {
  for (const name of options.only) {
    const figures = await M[name]!(lab);
    process.stdout.write(
      textTable(
        figures.map(({ name, values, unit, goal }: any) => [
          name,
          `${formatNumber(median(values))} ${unit}`,
          `${formatNumber(Math.min(...values))}-${formatNumber(Math.max(...values))}`,
          String(goal ?? ''),
        ]),
      ) + '\n',
    );
  }
} finally {
  await lab.processes.stopAll();
}
