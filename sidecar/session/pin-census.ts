import { setImmediate } from 'node:timers/promises';
import type { RoutingTable, VirtualHost } from '../../src/routing/table.js';
import type { SessionEntry, SessionTable } from './session-table.js';

/** Live pins by cluster, then by endpoint address; an empty address: the endpoint is gone, the release is not. */
export type PinCounts = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Slots looked at without letting anything else run: well under a millisecond. */
const SLICE = 16_384;

interface Tally {
  readonly cluster: string;
  readonly address: string;
  readonly ttlMs: number;
  pins: number;
}

/** What digests stand for: endpoints and releases of the routing table. */
interface Tallies {
  readonly all: Tally[];
  /** Several digests stand for one endpoint. */
  readonly endpoints: Map<number, Tally>;
  readonly releases: Map<number, Tally>;
}

/** Counts the pins that the session table holds now, without holding up the data path. */
export async function countPins(
  sessions: SessionTable,
  table: RoutingTable | undefined,
  nowMs: number,
): Promise<PinCounts> {
  if (table === undefined || sessions.size === 0) return new Map();
  const tallies: Tallies = { all: [], endpoints: new Map(), releases: new Map() };
  for (const host of table.virtualHosts) addTallies(tallies, host);
  const count = ({ release, endpoint, idleMs }: SessionEntry) => {
    const tally = tallies.endpoints.get(endpoint) ?? tallies.releases.get(release);
    if (tally !== undefined && idleMs <= tally.ttlMs) tally.pins++;
  };
  for (let from = 0; from < sessions.slots; from += SLICE) {
    if (from > 0) await setImmediate();
    sessions.visit(from, from + SLICE, nowMs, count);
  }
  return byCluster(tallies.all);
}

/** All routes of a service that keep sessions keep them for the same time. */
function addTallies({ all, endpoints, releases }: Tallies, { routes, service }: VirtualHost): void {
  const affinity = routes.find((route) => route.affinity !== undefined)?.affinity;
  if (affinity === undefined) return;
  const { ttlMs, digests } = affinity;
  for (const { digest, labelDigest, cluster } of service.releases) {
    const tallyOf = (address: string): Tally => ({ cluster: cluster.name, address, ttlMs, pins: 0 });
    const release = tallyOf('');
    const tallies = cluster.endpoints.endpoints.map(({ address }) => tallyOf(address));
    all.push(release, ...tallies);
    releases.set(digest, release).set(labelDigest, release);
    for (const [endpoint, index] of cluster.endpoints.digestIndex(digests))
      endpoints.set(endpoint, tallies[index] as Tally);
  }
}

function byCluster(tallies: readonly Tally[]): PinCounts {
  const counts = new Map<string, Map<string, number>>();
  for (const { cluster, address, pins } of tallies) {
    if (pins === 0) continue;
    const addresses = counts.get(cluster) ?? new Map<string, number>();
    counts.set(cluster, addresses.set(address, pins));
  }
  return counts;
}
