import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { HostDemand } from '../discovery/on-demand.js';

/** What a call to a host that is not in the table has to do: wait, or be answered so. */
export type LookupStep = { readonly waitMs: number } | { readonly reply: LocalReply };

/** One call's wait for what the control plane says of its host; asked once, and once more when the wait is over. */
export class HostLookup {
  private endWait: (() => void) | undefined;

  constructor(private readonly onDemand: HostDemand) {}

  /**
   * @param resume called once during the wait, if more is known of the host before it is over
   * @returns undefined: nobody declared the host
   */
  step(authority: string, resume: () => void): LookupStep | undefined {
    const waited = this.endWait !== undefined;
    this.end();
    const found = waited ? this.onDemand.waitedInVain(authority) : this.onDemand.lookUp(authority, resume);
    switch (found.kind) {
      case 'wait':
        this.endWait = found.cancel;
        return { waitMs: found.waitMs };
      case 'refused':
        return { reply: { code: 'overloaded', detail: found.why } };
      case 'unanswered':
        return {
          reply: {
            code: 'not-ready',
            detail: `the control plane has not said whether it knows ${authority}`,
          },
        };
      case 'unknown':
        return undefined;
    }
  }

  /** The call is over, or needs no more. */
  end(): void {
    this.endWait?.();
  }
}
