import type { Placement } from '../../src/routing/decide.js';
import type { Pin } from '../../src/routing/pins.js';
import { formatSetCookie } from '../../src/routing/session-key.js';
import type { Affinity } from '../../src/routing/table.js';
import type { SessionTable } from './session-table.js';

/** Where pins are read and kept: in the client's cookie, or in this sidecar's table. */
export class SessionPins {
  constructor(
    private readonly table: SessionTable,
    private readonly nowMs: () => number,
  ) {}

  /** The pin of a session that has no cookie. */
  find(affinity: Affinity, hash: bigint): Pin | undefined {
    const { table } = this;
    const key = keyOf(affinity, hash);
    table.lock(key);
    try {
      return table.find(key, affinity.ttlMs, this.nowMs());
    } finally {
      table.unlock(key);
    }
  }

  /**
   * Keeps what a decision wants kept, now that an endpoint has answered.
   *
   * @param answered may differ from the placement's after a retry
   * @returns the `Set-Cookie` value to send with the response, if one is due
   */
  keep(placement: Placement, answered: { readonly address: string }): string | undefined {
    const { session, pinTo } = placement;
    const { affinity } = placement.route;
    if (session === undefined || affinity === undefined) return undefined;
    const pin = pinTo && affinity.digests.pin(pinTo, answered.address);
    if (session.cookie === undefined) {
      if (pin !== undefined) this.keepInTable(affinity, session.hash, pin, placement.pin);
      return undefined;
    }
    const { config, key, minted, pin: carried } = session.cookie;
    if (pin === undefined && !minted) return undefined;
    return formatSetCookie(config, key, pin ?? carried, false);
  }

  /**
   * Unless another request of the session has been pinned within the same release since this one was placed: a
   * later answer, perhaps a retry's, does not move the session once more (S5).
   *
   * @param came the pin that the request was placed with
   */
  private keepInTable(affinity: Affinity, hash: bigint, pin: Pin, came: Pin | undefined): void {
    const { table } = this;
    const [key, nowMs] = [keyOf(affinity, hash), this.nowMs()];
    table.lock(key);
    try {
      const present = table.find(key, affinity.ttlMs, nowMs);
      const pinnedSince = present !== undefined && present.endpoint !== came?.endpoint;
      if (pinnedSince && present.release === pin.release && present.label === pin.label) return;
      table.set(key, pin, nowMs);
    } finally {
      table.unlock(key);
    }
  }
}

function keyOf({ scope }: Affinity, hash: bigint): bigint {
  return hash ^ scope;
}
