import { isNotableEndpoint, reachOf } from '../../src/model/grant.js';
import type { ServiceRecord } from '../store/config-state.js';
import type { Configuration, ConfiguredService } from '../store/configuration.js';
import { digestOf } from '../store/digest.js';

/** Claims that are told one by one. */
const MAX_TOLD = 20;

/**
 * What services claim beyond their namespaces and no admin of all namespaces has approved: they were put in force
 * before grants were kept, or where callers needed no credentials. It is in force until an admin decides.
 */
export function unapprovedClaims({ services }: Configuration): string[] {
  const claims = [...services]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, configured]) => {
      const found = claimsOf(configured);
      return found === '' ? [] : [`${key}: ${found}`];
    });
  if (claims.length <= MAX_TOLD) return claims;
  return [...claims.slice(0, MAX_TOLD), `and ${claims.length - MAX_TOLD} more services`];
}

function claimsOf({ service, record }: ConfiguredService): string {
  const { grant } = record;
  if (grant !== undefined && !grant.unconfirmed) return '';
  const { hosts, files, ...claimed } = grant ?? reachOf(service.spec);
  const endpoints = claimed.endpoints.filter(isNotableEndpoint);
  if (hosts.length + endpoints.length + files.length === 0 || isAsInFile(record)) return '';
  return [
    ...(hosts.length > 0 ? [`callers of every namespace are led to it by ${hosts.join(', ')}`] : []),
    ...(endpoints.length > 0
      ? [`endpoints may be on the callers' own machines: ${endpoints.join(', ')}`]
      : []),
    ...(files.length > 0 ? [`its callers' sidecars read ${files.join(', ')}`] : []),
  ].join('; ');
}

/** The operator's own file says the same. */
function isAsInFile({ document, source }: ServiceRecord): boolean {
  return source?.digest === digestOf(document);
}
