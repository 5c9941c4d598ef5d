import { DEFAULT_MAGLEV_TABLE_SIZE } from '../hashing/maglev.js';
import { DEFAULT_RING_SIZE, type RingSize } from '../hashing/ring.js';
import type { Message } from './descriptors.js';
import { type Problems, wrapped } from './fields.js';

/** Envoy's bound on a ring's entries. */
const MOST_ENTRIES = 8_388_608;
/** Envoy's bound on a Maglev table's slots, a prime. */
const MOST_SLOTS = 5_000_011;

/** Reads the bounds of a ring, from `RingHashLbConfig` or the `RingHash` policy. */
export function readRingSize(config: Message, problems: Problems): RingSize {
  const min = wrapped(config.minimumRingSize) ?? DEFAULT_RING_SIZE.min;
  const max = wrapped(config.maximumRingSize) ?? DEFAULT_RING_SIZE.max;
  if (min > MOST_ENTRIES) problems.add('minimum_ring_size', `must be at most ${MOST_ENTRIES}`);
  if (max > MOST_ENTRIES) problems.add('maximum_ring_size', `must be at most ${MOST_ENTRIES}`);
  if (min > max) problems.add('minimum_ring_size', `${min} is above the maximum_ring_size, ${max}`);
  // Another hash would send sessions to other endpoints than it says.
  if (config.hashFunction === 'MURMUR_HASH_2')
    problems.add('hash_function', 'MURMUR_HASH_2 is not supported; use XX_HASH');
  return { min, max };
}

/** Reads the size of a Maglev table; one that is no prime could not be filled. */
export function readTableSize({ tableSize }: Message, problems: Problems): number {
  const size = wrapped(tableSize) ?? DEFAULT_MAGLEV_TABLE_SIZE;
  if (size > MOST_SLOTS || !isPrime(size))
    problems.add('table_size', `${size} is no prime up to ${MOST_SLOTS}`);
  return size;
}

function isPrime(value: number): boolean {
  if (!Number.isInteger(value) || value < 2) return false;
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return true;
}
