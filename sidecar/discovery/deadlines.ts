/** Names with a time each, of which those that are due are asked for on every tick; that costs nothing until one is. */
export class Deadlines {
  private readonly atMs = new Map<string, number>();
  /** None is due before. */
  private earliestMs = Number.POSITIVE_INFINITY;

  has(name: string): boolean {
    return this.atMs.has(name);
  }

  /** In the place of what was set for it before. */
  set(name: string, atMs: number): void {
    this.atMs.set(name, atMs);
    this.earliestMs = Math.min(this.earliestMs, atMs);
  }

  delete(name: string): void {
    this.atMs.delete(name);
  }

  clear(): void {
    this.atMs.clear();
    this.earliestMs = Number.POSITIVE_INFINITY;
  }

  /** Takes out what is due. @returns its names */
  takeDue(nowMs: number): string[] {
    if (nowMs < this.earliestMs) return [];
    const due: string[] = [];
    this.earliestMs = Number.POSITIVE_INFINITY;
    for (const [name, atMs] of this.atMs) {
      if (atMs <= nowMs) due.push(name);
      else this.earliestMs = Math.min(this.earliestMs, atMs);
    }
    for (const name of due) this.atMs.delete(name);
    return due;
  }
}
