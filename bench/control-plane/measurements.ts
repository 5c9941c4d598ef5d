import type { SpecialFigure } from '../report/results.js';
import type { Lab } from './lab.js';
import { measureBytes } from './measure/bytes.js';
import { measureChange } from './measure/change.js';
import { measureChurn } from './measure/churn.js';
import { measureCold } from './measure/cold.js';
import { measureDependencies } from './measure/dependencies.js';
import { measureLarge } from './measure/large.js';
import { measureLive } from './measure/live.js';
import { measureMemory } from './measure/memory.js';
import { measureReconnect } from './measure/reconnect.js';
import { measureSidecarCost } from './measure/sidecar-cost.js';
import { measureSparse } from './measure/sparse.js';
import type { MeasurementName } from './options.js';

/** Every measurement by name; each starts and stops what it needs. */
export const MEASURE: Readonly<Record<MeasurementName, (lab: Lab) => Promise<SpecialFigure[]>>> = {
  change: measureChange,
  churn: measureChurn,
  live: measureLive,
  reconnect: measureReconnect,
  memory: measureMemory,
  bytes: measureBytes,
  cold: measureCold,
  sparse: measureSparse,
  sidecar: measureSidecarCost,
  dependencies: measureDependencies,
  large: measureLarge,
};
