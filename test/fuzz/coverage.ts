import { type Profiler, Session } from 'node:inspector';

/** By script: for every character of its source, whether it has ever run. */
export type Seen = ReadonlyMap<string, Uint8Array>;

/**
 * Which parts of the codec have run, and how often: V8's own count of every block, of this thread. Counts are exact,
 * so they measure work without a clock.
 */
export class Coverage {
  private readonly session = new Session();
  private seen = new Map<string, Uint8Array>();
  /** Blocks of the codec run in the time before the last {@link take}. */
  work = 0;

  /** @param includes whether a script is part of what is looked at, by its address */
  constructor(private readonly includes: (url: string) => boolean) {
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Adds what has run since the last time. @returns how many characters of source had never run before */
  take(): number {
    let fresh = 0;
    this.work = 0;
    this.session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error) throw error;
      for (const script of result) if (this.includes(script.url)) fresh += this.add(script);
    });
    return fresh;
  }

  /** What has ever run, as it is now. */
  snapshot(): Seen {
    return new Map([...this.seen].map(([url, seen]) => [url, seen.slice()]));
  }

  /** From here on, this is what has ever run. */
  restore(snapshot: Seen): void {
    this.seen = new Map([...snapshot].map(([url, seen]) => [url, seen.slice()]));
  }

  stop(): void {
    this.session.disconnect();
  }

  private add({ url, functions }: Profiler.ScriptCoverage): number {
    const end = Math.max(...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)));
    const seen = this.seenOf(url, end);
    let fresh = 0;
    // The first function is the module itself, whose ranges lie around all others.
    for (const { ranges, functionName } of functions) {
      if (functionName === '' || ranges[0]?.count === 0) continue;
      fresh += markSeen(seen, ranges);
      for (const { count } of ranges) this.work += count;
    }
    return fresh;
  }

  private seenOf(url: string, length: number): Uint8Array {
    const known = this.seen.get(url);
    if (known !== undefined && known.length >= length) return known;
    const grown = new Uint8Array(length);
    if (known !== undefined) grown.set(known);
    this.seen.set(url, grown);
    return grown;
  }
}

/** @param ranges of one function, inner ones behind those that they lie in */
function markSeen(seen: Uint8Array, ranges: readonly Profiler.CoverageRange[]): number {
  const [whole] = ranges as [Profiler.CoverageRange];
  const start = whole.startOffset;
  const ran = new Uint8Array(whole.endOffset - start);
  for (const { startOffset, endOffset, count } of ranges)
    ran.fill(Number(count > 0), startOffset - start, endOffset - start);
  let fresh = 0;
  for (let i = 0; i < ran.length; i++) {
    if (ran[i] === 0 || seen[start + i] === 1) continue;
    seen[start + i] = 1;
    fresh++;
  }
  return fresh;
}
