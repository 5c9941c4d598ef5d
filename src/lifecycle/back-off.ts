/** Waits that grow with every failure, spread out so that many clients do not come back all at once. */
export class BackOff {
  private failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next wait, in milliseconds: between half and all of firstMs × 2^failures, at most maxMs. */
  next(): number {
    const ceiling = Math.min(this.firstMs * 2 ** this.failures, this.maxMs);
    this.failures++;
    return ceiling * (0.5 + 0.5 * this.random());
  }

  /** Something worked. */
  reset(): void {
    this.failures = 0;
  }
}
