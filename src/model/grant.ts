import { splitHostPort } from './formats.js';
import type { MeshService } from './mesh-service.js';
import { isReservedAddress } from './reserved-address.js';

/**
 * What a service may claim beyond its own namespace, because an admin of all namespaces has approved it. A document
 * that claims more is in force all the same: see docs/security.md for what becomes of each claim.
 */
export interface Grant {
  /** Of `spec.hosts`: those that lead callers of every namespace. */
  readonly hosts: readonly string[];
  /** Endpoints that are a part of the caller's own machine, and DNS names whose answers may be such, as written. */
  readonly endpoints: readonly string[];
  /** Files on the callers' machines that their sidecars read. */
  readonly files: readonly string[];
  /** It stands for what was there before grants were kept: no admin has approved it. */
  readonly unconfirmed?: true;
}

const KINDS = ['hosts', 'endpoints', 'files'] as const;

export const NO_GRANT: Grant = { hosts: [], endpoints: [], files: [] };

type Spec = MeshService['spec'];

/** Everything in a service's document that reaches beyond its namespace. */
export function reachOf(spec: Spec): Grant {
  const endpoints = spec.versions.flatMap(({ dns, endpoints = [] }) => [
    ...(dns === undefined ? [] : [dns]),
    ...endpoints.map(({ address }) => address).filter(isReservedEndpoint),
  ]);
  const { caFile, certFile, keyFile } = spec.tls ?? {};
  const files = [caFile, certFile, keyFile].filter((file) => file !== undefined);
  return { hosts: spec.hosts, endpoints, files };
}

/** Whether an endpoint, `10.0.1.11:8080`, is a part of whatever machine connects to it, or no single machine. */
export function isReservedEndpoint(address: string): boolean {
  return isReservedAddress(splitHostPort(address)?.host ?? '');
}

/** The hosts that lead callers of every namespace to a service. @param grant absent: nobody is asked for one */
export function hostsForAll({ hosts }: Spec, grant: Grant | undefined): readonly string[] {
  return grant === undefined ? hosts : hosts.filter((host) => grant.hosts.includes(host));
}

/** Whether everything in one is in the other. */
export function covers(approved: Grant, claimed: Grant): boolean {
  return KINDS.every((kind) => claimed[kind].every((item) => approved[kind].includes(item)));
}

/** The same approval in other words is none: order and repetition do not count. */
export function sameGrant(a: Grant | undefined, b: Grant | undefined): boolean {
  return canonical(a) === canonical(b);
}

function canonical(grant: Grant | undefined): string {
  if (grant === undefined) return '';
  return JSON.stringify([...KINDS.map((kind) => [...new Set(grant[kind])].sort()), grant.unconfirmed]);
}

/** What a change of a grant comes to, a line for each matter. Empty where nobody is asked for grants. */
export function describeGrantChange(before: Grant | undefined, after: Grant | undefined): string[] {
  if (after === undefined) return [];
  return KINDS.flatMap((kind) => {
    // What nobody has approved counts as granted when somebody does.
    const was =
      before === undefined || before.unconfirmed ? (after.unconfirmed ? after[kind] : []) : before[kind];
    return [
      ...listed(
        after[kind].filter((item) => !was.includes(item)),
        `${WORDS[kind]} granted`,
      ),
      ...listed(
        was.filter((item) => !after[kind].includes(item)),
        `${WORDS[kind]} no longer granted`,
      ),
    ];
  });
}

const WORDS = { hosts: 'hosts for every namespace', endpoints: 'endpoints', files: 'files' } as const;

function listed(items: readonly string[], what: string): string[] {
  return items.length === 0 ? [] : [`${what}: ${items.join(', ')}`];
}
