/** What a session holds on to (S6), as the document says it must. */
export interface Held {
  /** Number of a release; 0: none, only the pod is held. */
  readonly release: number;
  /** Number of a pod. */
  readonly pod: number;
  /** A label made it. */
  readonly label: boolean;
}

/** How a session's last request was placed. */
export interface Last {
  readonly release: number;
  readonly pod: number;
  /** Of {@link HOW}. */
  readonly how: number;
  readonly split: number;
  readonly view: number;
  readonly serving: number;
}

export const HOW = {
  failedOver: 1,
  lane: 2,
  label: 4,
  /** Nothing was to be remembered of it. */
  unpinned: 8,
  retried: 16,
  /** The sidecar had older configuration than others. */
  behind: 32,
  random: 64,
  /** The route had a condition. */
  conditional: 128,
} as const;

const HELD = 1;
const LABEL = 2;

/**
 * What the oracle remembers of each session: about 50 bytes in typed arrays. A session of a service that keeps its
 * routes apart has a record for each.
 */
export class Memory {
  private readonly hashes: BigUint64Array;
  private readonly heldRelease: Int32Array;
  private readonly heldPod: Int32Array;
  private readonly heldBits: Uint8Array;
  private readonly usedAtSeconds: Uint32Array;
  private readonly counted: Uint8Array;
  private readonly last: Int32Array;

  constructor(records: number) {
    this.hashes = new BigUint64Array(records);
    this.heldRelease = new Int32Array(records);
    this.heldPod = new Int32Array(records);
    this.heldBits = new Uint8Array(records);
    this.usedAtSeconds = new Uint32Array(records);
    this.counted = new Uint8Array(records);
    this.last = new Int32Array(records * LAST_FIELDS);
  }

  /** A new session takes the record over. */
  begin(record: number, hash: bigint): void {
    this.hashes[record] = hash;
    this.heldBits[record] = 0;
    this.counted[record] = 0;
    this.last[record * LAST_FIELDS] = 0;
  }

  hashOf(record: number): bigint {
    return this.hashes[record] as bigint;
  }

  held(record: number): Held | undefined {
    const bits = this.heldBits[record] as number;
    if ((bits & HELD) === 0) return undefined;
    return {
      release: this.heldRelease[record] as number,
      pod: this.heldPod[record] as number,
      label: (bits & LABEL) !== 0,
    };
  }

  hold(record: number, held: Held): void {
    this.heldRelease[record] = held.release;
    this.heldPod[record] = held.pod;
    this.heldBits[record] = HELD | (held.label ? LABEL : 0);
  }

  drop(record: number): void {
    this.heldBits[record] = 0;
  }

  /** @returns whether the session has not been counted before, answered or not */
  countOnce(record: number): boolean {
    const isFirst = this.counted[record] === 0;
    this.counted[record] = 1;
    return isFirst;
  }

  /** @returns seconds since the session was last used */
  use(record: number, seconds: number): number {
    const idle = seconds - (this.usedAtSeconds[record] as number);
    this.usedAtSeconds[record] = seconds;
    return idle;
  }

  /** Undefined: the session has not been placed yet. */
  lastOf(record: number): Last | undefined {
    const at = record * LAST_FIELDS;
    const { last } = this;
    if (last[at] === 0) return undefined;
    return {
      release: last[at] as number,
      pod: last[at + 1] as number,
      how: last[at + 2] as number,
      split: last[at + 3] as number,
      view: last[at + 4] as number,
      serving: last[at + 5] as number,
    };
  }

  place(record: number, { release, pod, how, split, view, serving }: Last): void {
    const at = record * LAST_FIELDS;
    this.last[at] = release;
    this.last[at + 1] = pod;
    this.last[at + 2] = how;
    this.last[at + 3] = split;
    this.last[at + 4] = view;
    this.last[at + 5] = serving;
  }
}

const LAST_FIELDS = 6;
