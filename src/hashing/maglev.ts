import { sharesOf, type WeightedHost } from './host-shares.js';
import { xxh64 } from './xxh64.js';

/** Envoy's default table size; a table size must be prime. */
export const DEFAULT_MAGLEV_TABLE_SIZE = 65_537;

/** A built Maglev lookup table: `pick(hash)` is an index into the hosts it was built from. Immutable. */
export interface Maglev {
  readonly tableSize: number;
  /** @param attempt 0 for the first try; a retry passes 1, 2 … and reaches another slot, as in Envoy. */
  pick(hash: bigint, attempt?: number): number;
  /** Host index at a slot, for tests and dumps. */
  hostAt(slot: number): number;
}

interface Cursor {
  readonly index: number;
  readonly weight: number;
  readonly offset: number;
  readonly skip: number;
  next: number;
  target: number;
}

/**
 * Envoy's Maglev table (`source/extensions/load_balancing_policies/maglev/`), slot for slot.
 *
 * @throws RangeError when there is no host.
 */
export function buildMaglev(hosts: readonly WeightedHost[], tableSize = DEFAULT_MAGLEV_TABLE_SIZE): Maglev {
  if (hosts.length === 0) throw new RangeError('a Maglev table needs at least one host');
  const cursors = cursorsByKey(hosts, tableSize);
  const heaviest = cursors.reduce((most, c) => Math.max(most, c.weight), 0);
  const table = new Int32Array(tableSize).fill(-1);
  let filled = 0;
  for (let iteration = 1; filled < tableSize; iteration++) {
    for (const cursor of cursors) {
      if (filled === tableSize) break;
      if (iteration * cursor.weight < cursor.target) continue;
      cursor.target += heaviest;
      table[nextFreeSlot(cursor, table)] = cursor.index;
      filled++;
    }
  }
  return {
    tableSize,
    hostAt: (slot) => table[slot] as number,
    pick(hash, attempt = 0) {
      const mixed = attempt > 0 ? hash ^ BigInt.asUintN(64, ~BigInt(attempt) + 1n) : hash;
      return table[Number(mixed % BigInt(tableSize))] as number;
    },
  };
}

function cursorsByKey(hosts: readonly WeightedHost[], tableSize: number): Cursor[] {
  const size = BigInt(tableSize);
  const shares = sharesOf(hosts);
  const sorted = hosts
    .map((host, index) => ({ host, index, share: shares[index] as number }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => compare(a.host.key, b.host.key));
  return sorted.map(({ host, index, share }) => ({
    index,
    weight: share,
    offset: Number(xxh64(host.key, 0n) % size),
    skip: Number(xxh64(host.key, 1n) % (size - 1n)) + 1,
    next: 0,
    target: 0,
  }));
}

function nextFreeSlot(cursor: Cursor, table: Int32Array): number {
  for (;;) {
    // Exact in doubles: offset + skip × next stays far below 2^53 for a table of at most 5,000,011 slots.
    const slot = (cursor.offset + cursor.skip * cursor.next) % table.length;
    cursor.next++;
    if (table[slot] === -1) {
      return slot;
    }
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
