import type { WriteReport } from './operator.js';
import type { StageName } from './stages.js';
import type { TrafficReport } from './traffic.js';

/** What one stage came to. */
export interface StageReport {
  readonly stage: StageName;
  readonly seconds: number;
  /** Every fault in its order. */
  readonly faults: readonly FaultReport[];
  readonly requests: TrafficReport;
  readonly writes: WriteReport;
  /** Largest resident memory of a control plane, in bytes. */
  readonly controlPlaneBytes: number;
  /** What was not as it must be. */
  readonly problems: readonly string[];
}

export interface FaultReport {
  readonly name: string;
  /** Since the stage began. */
  readonly atSeconds: number;
  readonly seconds: number;
  /** From its end until everything was as it should be. */
  readonly recoverySeconds: number;
}

export interface ChaosReport {
  readonly seed: number;
  readonly node: string;
  readonly stages: readonly StageReport[];
  /** What could not be done on this machine, and why. */
  readonly missing: readonly string[];
}

/** Whether every promise was kept. */
export function isClean({ stages }: ChaosReport): boolean {
  return stages.every(
    ({ requests, writes, problems }) =>
      requests.failed === 0 && writes.lost === 0 && writes.madeAlthoughRefused === 0 && problems.length === 0,
  );
}

export function formatReport(report: ChaosReport): string {
  const { seed, node, stages, missing } = report;
  const lines = [`chaos, seed ${seed}, Node ${node}`, ...stages.flatMap(formatStage)];
  for (const what of missing) lines.push(`not done here: ${what}`);
  lines.push('', isClean(report) ? 'Every promise was kept.' : 'PROMISES WERE BROKEN.');
  return `${lines.join('\n')}\n`;
}

function formatStage({ stage, seconds, faults, requests, writes, ...rest }: StageReport): string[] {
  const counts = new Map<string, FaultReport[]>();
  for (const fault of faults) counts.set(fault.name, [...(counts.get(fault.name) ?? []), fault]);
  const kinds = [...counts].map(([name, all]) => {
    const longest = Math.max(...all.map(({ recoverySeconds }) => recoverySeconds));
    return `    ${String(all.length).padStart(3)} × ${name} (recovered within ${longest.toFixed(1)} s)`;
  });
  return [
    '',
    `${stage}: ${seconds.toFixed(0)} s`,
    `  faults injected            ${faults.length}`,
    ...kinds,
    `  requests sent              ${requests.sent}`,
    `  requests failed            ${requests.failed}`,
    `  requests after 500 ms      ${requests.late} (the slowest took ${requests.slowestMs.toFixed(0)} ms)`,
    `  writes acknowledged        ${writes.acknowledged}`,
    `  writes lost                ${writes.lost}`,
    `  writes refused             ${writes.refused}, made nevertheless ${writes.madeAlthoughRefused}`,
    `  writes of unknown outcome  ${writes.unknown}, and told so`,
    `  control plane, most memory ${(rest.controlPlaneBytes / 1024 / 1024).toFixed(0)} MiB`,
    ...[...requests.failures, ...rest.problems].map((problem) => `  ! ${problem}`),
  ];
}
