import { FAULT_TYPE } from './fault.js';
import type { Problems } from './fields.js';
import { type FilterEntry, refuseOtherFilters } from './per-filter-config.js';
import { ROUTE_POLICY_TYPE, SERVICE_POLICY_TYPE } from './policy.js';
import { STATEFUL_SESSION_PER_ROUTE_TYPE } from './stateful-session-config.js';

const KNOWN: ReadonlySet<string> = new Set([
  FAULT_TYPE,
  STATEFUL_SESSION_PER_ROUTE_TYPE,
  SERVICE_POLICY_TYPE,
  ROUTE_POLICY_TYPE,
]);

/** Of route configurations, virtual hosts and routes. */
export function refuseOtherRouteFilters(
  entries: readonly FilterEntry[],
  path: string,
  problems: Problems,
): void {
  refuseOtherFilters(entries, KNOWN, path, problems);
}
