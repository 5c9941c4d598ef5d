import { seededRandom } from './request-pool.js';

/**
 * When requests are due, in milliseconds from the start: exponential gaps, as calls of many independent clients
 * arrive. The same seed gives the same times.
 */
export function arrivalTimes(rate: number, seconds: number, seed: number): Float64Array {
  const random = seededRandom(seed);
  const meanGapMs = 1000 / rate;
  const times: number[] = [];
  for (let at = 0; ; ) {
    at += -Math.log(1 - random()) * meanGapMs;
    if (at >= seconds * 1000) return Float64Array.from(times);
    times.push(at);
  }
}
