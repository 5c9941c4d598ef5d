import type { Message } from './descriptors.js';
import { message, messages, type Problems, text, wrapped } from './fields.js';
import { type LevelledChanges, NO_CHANGES, nested, readHeaderChanges } from './header-changes.js';
import { filterEntries, refuseOtherFilters } from './per-filter-config.js';
import { readHost } from './route-changes.js';
import { refuseUnsupported } from './unsupported.js';

export interface WeightedClusterConfig {
  readonly cluster: string;
  readonly weight: number;
  /** What becomes of requests that go there; undefined: the same as of all of the route's. */
  readonly own?: OwnChanges | undefined;
}

export interface OwnChanges {
  /** Those of the levels around it included. */
  readonly headers: LevelledChanges;
  /** Empty: as the route has it. */
  readonly host: string;
}

/** What is around the clusters. */
interface Around {
  readonly headers: LevelledChanges;
  readonly mostSpecificWins: boolean;
}

const TYPE = 'envoy.config.route.v3.WeightedCluster';
const MAX_TOTAL = 0xffffffff;

/** Reads `cluster` or `weighted_clusters` of a `RouteAction`. */
export function readSplit(
  action: Message,
  around: Around,
  path: string,
  problems: Problems,
): readonly WeightedClusterConfig[] {
  if (typeof action.cluster === 'string' && action.cluster !== '')
    return [{ cluster: action.cluster, weight: 1 }];
  const weighted = message(action.weightedClusters);
  if (weighted === undefined) {
    problems.add(path, 'needs cluster or weighted_clusters');
    return [];
  }
  const at = `${path}.weighted_clusters`;
  refuseUnsupported(TYPE, weighted, at, problems);
  const split = messages(weighted.clusters).map((entry, i) =>
    readEntry(entry, around, `${at}.clusters[${i}]`, problems),
  );
  checkTotal(split, wrapped(weighted.totalWeight), at, problems);
  return split;
}

function readEntry(raw: Message, around: Around, path: string, problems: Problems): WeightedClusterConfig {
  refuseUnsupported(`${TYPE}.ClusterWeight`, raw, path, problems);
  const entries = filterEntries(raw.typedPerFilterConfig, path, problems);
  refuseOtherFilters(entries, NO_FILTERS, path, problems);
  const cluster = text(raw.name);
  if (cluster === '') problems.add(`${path}.name`, 'is empty');
  const weight = wrapped(raw.weight) ?? 0;
  const headers = readHeaderChanges(raw, path, problems);
  const host = readHost(raw.hostRewriteLiteral, `${path}.host_rewrite_literal`, problems);
  if (headers === NO_CHANGES && host === '') return { cluster, weight };
  return {
    cluster,
    weight,
    own: { headers: nested(headers, around.headers, around.mostSpecificWins), host },
  };
}

const NO_FILTERS: ReadonlySet<string> = new Set();

function checkTotal(
  split: readonly WeightedClusterConfig[],
  told: number | undefined,
  path: string,
  problems: Problems,
): void {
  const total = split.reduce((sum, entry) => sum + entry.weight, 0);
  if (total < 1 || total > MAX_TOTAL) problems.add(path, `needs weights with a sum from 1 to ${MAX_TOTAL}`);
  if (told !== undefined && told !== total)
    problems.add(`${path}.total_weight`, `is ${told}; the weights' sum is ${total}`);
}
