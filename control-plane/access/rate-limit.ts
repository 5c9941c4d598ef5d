export interface Rate {
  /** Tokens that a bucket gains. */
  readonly perSecond: number;
  /** Tokens that it holds. */
  readonly burst: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Peers remembered; of more, those not heard of for longest are forgotten. */
const MAX_PEERS = 10_000;

/**
 * A token bucket for each peer. At most {@link MAX_PEERS} are kept, the least recently seen give way: a peer that
 * is forgotten starts with a full bucket, and filling the table costs an attacker as many addresses.
 */
export class RateLimit {
  private readonly buckets = new Map<string, Bucket>();

  constructor(
    private readonly rate: Rate,
    private readonly nowMs: () => number,
    private readonly maxPeers = MAX_PEERS,
  ) {}

  /** Takes one. @returns whether there was one */
  take(peer: string): boolean {
    const bucket = this.refilled(peer);
    this.keep(peer, bucket);
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }

  get size(): number {
    return this.buckets.size;
  }

  private refilled(peer: string): Bucket {
    const now = this.nowMs();
    const { perSecond, burst } = this.rate;
    const bucket = this.buckets.get(peer);
    if (bucket === undefined) return { left: burst, atMs: now };
    bucket.left = Math.min(burst, bucket.left + (Math.max(0, now - bucket.atMs) * perSecond) / 1000);
    bucket.atMs = now;
    return bucket;
  }

  private keep(peer: string, bucket: Bucket): void {
    this.buckets.delete(peer);
    this.buckets.set(peer, bucket);
    if (this.buckets.size <= this.maxPeers) return;
    const [oldest] = this.buckets.keys();
    this.buckets.delete(oldest as string);
  }
}
