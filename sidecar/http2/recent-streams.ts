/** Streams of a connection that ended last. Those in flight at once are far fewer. */
const REMEMBERED = 256;

/**
 * How streams of a connection ended, of the latest {@link REMEMBERED}: frames that were under way when we reset a
 * stream are ignored, those for a stream that ended long ago are an error (RFC 9113 section 5.1, "closed").
 */
export class RecentStreams {
  private readonly slots = new Uint32Array(REMEMBERED);

  /** @param id of a client's stream, which is odd: its lowest bit is free to say how it ended */
  add(id: number, wasReset: boolean): void {
    this.slots[slotOf(id)] = wasReset ? id : id + 1;
  }

  /** @returns undefined: it is not remembered, or never was a stream */
  endOf(id: number): 'reset-by-us' | 'other' | undefined {
    const slot = this.slots[slotOf(id)] as number;
    if (slot === id) return 'reset-by-us';
    return slot === id + 1 ? 'other' : undefined;
  }
}

function slotOf(id: number): number {
  return (id >>> 1) & (REMEMBERED - 1);
}
