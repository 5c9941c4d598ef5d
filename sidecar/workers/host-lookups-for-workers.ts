import type { HostDemand, HostVerdict } from '../discovery/on-demand.js';

/** What other workers' calls to hosts that are not in the table wait for, in the main thread. */
export class HostLookupsForWorkers {
  /** Ends the wait of a call, by worker and number. */
  private readonly waits = new Map<string, () => void>();

  /** @param isThere whether the table has a host by now */
  constructor(
    private readonly demand: HostDemand,
    private readonly isThere: (authority: string) => boolean,
  ) {}

  /** @param answer called once, unless the call is given up; undefined: the host is in the table */
  ask(call: string, authority: string, answer: (verdict: HostVerdict | undefined) => void): void {
    const over = () => {
      this.end(call);
      answer(this.isThere(authority) ? undefined : this.verdictOn(authority));
    };
    const found = this.demand.lookUp(authority, over);
    if (found.kind !== 'wait') {
      answer(found);
      return;
    }
    const timer = setTimeout(over, found.waitMs);
    this.waits.set(call, () => {
      clearTimeout(timer);
      found.cancel();
    });
  }

  /** The call is over, or no request waits for it any more. */
  end(call: string): void {
    this.waits.get(call)?.();
    this.waits.delete(call);
  }

  close(): void {
    for (const call of [...this.waits.keys()]) this.end(call);
  }

  private verdictOn(authority: string): HostVerdict {
    const found = this.demand.waitedInVain(authority);
    return found.kind === 'wait' ? { kind: 'unknown' } : found;
  }
}
