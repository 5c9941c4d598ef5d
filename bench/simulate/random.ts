import { xxh64 } from '../../src/hashing/xxh64.js';

/**
 * Reproducible randomness (sfc32). Each part of the simulation draws from a stream of its own, so that what one
 * part draws changes nothing for the others.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number, stream: string) {
    const hash = xxh64(`${seed} ${stream}`);
    this.a = Number(hash & 0xffffffffn) | 0;
    this.b = Number(hash >> 32n) | 0;
    this.c = Math.imul(seed, 0x9e3779b1) | 0;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A number in [0, 1). An arrow, so that it can be handed on by itself. */
  readonly next = (): number => {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** @returns undefined where there is nothing to pick from */
  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  /** `count` of the items, in random order. */
  sample<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    const taken: T[] = [];
    while (taken.length < count && left.length > 0) taken.push(...left.splice(this.below(left.length), 1));
    return taken;
  }

  /** An item with a chance in proportion to its weight. */
  pickWeighted<T>(items: readonly (readonly [item: T, weight: number])[]): T {
    const sum = items.reduce((total, [, weight]) => total + weight, 0);
    let point = this.next() * sum;
    const found = items.find(([, weight]) => {
      point -= weight;
      return point < 0;
    });
    return (found ?? (items[items.length - 1] as readonly [T, number]))[0];
  }
}
