import { usageOf } from '../../measure/process-usage.js';
import type { RunningProcess } from '../../processes.js';

const SAMPLE_MS = 1000;
/** Memory that has not moved by more than this between samples, several times in a row, is settled. */
const STEADY_BYTES = 256 * 1024;
const STEADY_SAMPLES = 5;
const MAX_SAMPLES = 40;

/** Resident memory of a process, in bytes, once it does not move any more. */
export async function settledMemory({ pid }: RunningProcess): Promise<number> {
  let last = usageOf(pid).residentBytes;
  let steady = 0;
  for (let i = 0; i < MAX_SAMPLES && steady < STEADY_SAMPLES; i++) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const { residentBytes } = usageOf(pid);
    steady = Math.abs(residentBytes - last) < STEADY_BYTES ? steady + 1 : 0;
    last = residentBytes;
  }
  return last;
}
