import { mayBeServiceHost } from '../../src/model/service-hosts.js';
import type { HostDemand, HostVerdict, Lookup } from '../discovery/on-demand.js';
import type { FromWorker } from './messages.js';

/** The main thread answers when its own time for it is over; it is not waited for much longer. */
const MARGIN_MS = 1000;

interface Asked {
  readonly resume: () => void;
}

/** Calls of a worker to hosts that are not in the table: the main thread, which asks for hosts, says what becomes of them. */
export class WorkerHostLookup implements HostDemand {
  private readonly asked = new Map<number, Asked>();
  private count = 0;
  /** Of the call that is being resumed. */
  private verdict: HostVerdict | undefined;

  constructor(
    private readonly waitMs: number,
    private readonly tell: (message: FromWorker) => void,
  ) {}

  lookUp(authority: string, resume: () => void): Lookup {
    if (!mayBeServiceHost(authority)) return { kind: 'unknown' };
    const id = ++this.count;
    this.asked.set(id, { resume });
    this.tell({ kind: 'host', id, authority });
    const cancel = () => {
      if (this.asked.delete(id)) this.tell({ kind: 'host-given-up', id });
    };
    return { kind: 'wait', waitMs: this.waitMs + MARGIN_MS, cancel };
  }

  waitedInVain(): Lookup {
    return this.verdict ?? { kind: 'unanswered' };
  }

  /** @param verdict undefined: the host is in the table */
  onAnswer(id: number, verdict: HostVerdict | undefined): void {
    const asked = this.asked.get(id);
    if (asked === undefined) return;
    this.asked.delete(id);
    this.verdict = verdict;
    asked.resume();
    this.verdict = undefined;
  }
}
