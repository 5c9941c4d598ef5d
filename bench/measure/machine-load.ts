import { readFileSync } from 'node:fs';
import { usageOf } from './process-usage.js';

/** Milliseconds that all cores together were busy since boot (`/proc/stat`, all but idle and iowait). */
export function parseBusyMs(procStat: string): number {
  const fields = (/^cpu +(.*)$/m.exec(procStat)?.[1] ?? '').split(' ').map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softirq + steal) * 10;
}

/**
 * What the machine does besides the benchmark. A recorded run says how much that was, so that nobody takes a run
 * on a busy machine for more than it is.
 */
export class MachineLoad {
  private readonly startedAt = performance.now();
  private readonly busyMs = busyMs();
  private readonly ownMs = ownMs();

  /** Undefined where the system does not tell. */
  static watch(): MachineLoad | undefined {
    return process.platform === 'linux' ? new MachineLoad() : undefined;
  }

  /** Cores that others have kept busy since, on average. */
  othersCores(): number {
    const others = busyMs() - this.busyMs - (ownMs() - this.ownMs);
    return Math.max(0, others) / (performance.now() - this.startedAt);
  }
}

function busyMs(): number {
  return parseBusyMs(readFileSync('/proc/stat', 'utf8'));
}

/** Of this process and all that it has started. */
function ownMs(): number {
  const { cpuMs, endedChildrenMs } = usageOf(process.pid);
  return cpuMs + endedChildrenMs;
}
