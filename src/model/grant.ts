import { isIP } from 'node:net';
import { isMachineName, isReservedAddress } from '../net/reserved-address.js';
import { splitHostPort } from './formats.js';
import type { MeshService } from './mesh-service.js';

/**
 * What a service may claim beyond its own namespace, because an admin of all namespaces has approved it. A document
 * that claims more is in force all the same: see docs/tenancy.md for what becomes of each claim.
 */
export interface Grant {
  /** Of `spec.hosts`: those that lead callers of every namespace. */
  readonly hosts: readonly string[];
  /** Endpoints that may be a part of the caller's own machine, and DNS names whose answers may be such, as written. */
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
  const endpoints = spec.versions.flatMap(addressesOf);
  const { caFile, certFile, keyFile } = spec.tls ?? {};
  const files = [caFile, certFile, keyFile].filter((file) => file !== undefined);
  return { hosts: spec.hosts, endpoints, files };
}

/** Where a release is, as written: the addresses of its endpoints, or its DNS name. */
export function addressesOf({ dns, endpoints = [] }: Spec['versions'][number]): string[] {
  return dns === undefined ? endpoints.map(({ address }) => address) : [dns];
}

/**
 * Whether an endpoint, `10.0.1.11:8080`, or what a DNS name stands for, `localhost:8080`, is a part of whatever machine
 * connects to it, or no single machine.
 */
export function isReservedEndpoint(address: string): boolean {
  const host = splitHostPort(address)?.host ?? '';
  return isReservedAddress(host) || (isIP(host) === 0 && isMachineName(host));
}

/** A release without the endpoints that its callers may not be led to. */
export function withinReach<V extends Spec['versions'][number]>(version: V, grant: Grant | undefined): V {
  const approved = approvedAddresses(version, grant);
  if (approved === undefined || version.endpoints === undefined) return version;
  const allows = (address: string) => approved.has(address) || !isReservedEndpoint(address);
  return { ...version, endpoints: version.endpoints.filter(({ address }) => allows(address)) };
}

/** Whether people are told of an approval one by one: of an ordinary address, its document says enough. */
export function isNotableEndpoint(address: string): boolean {
  return isReservedEndpoint(address) || isIP(splitHostPort(address)?.host ?? '') === 0;
}

/** Of a release's addresses those that are approved; undefined: all are. */
export function approvedAddresses(
  version: Spec['versions'][number],
  grant: Grant | undefined,
): ReadonlySet<string> | undefined {
  if (grant === undefined) return undefined;
  const granted = new Set(grant.endpoints);
  const addresses = addressesOf(version);
  const approved = addresses.filter((address) => granted.has(address));
  return approved.length === addresses.length ? undefined : new Set(approved);
}

/** The hosts that lead callers of every namespace to a service. @param grant absent: callers need no credentials */
export function hostsForAll({ hosts }: Spec, grant: Grant | undefined): readonly string[] {
  if (grant === undefined) return hosts;
  const granted = new Set(grant.hosts);
  return hosts.filter((host) => granted.has(host));
}

/** Whether everything in one is in the other. */
export function covers(approved: Grant, claimed: Grant): boolean {
  return KINDS.every((kind) => {
    const known = new Set(approved[kind]);
    return claimed[kind].every((item) => known.has(item));
  });
}

/** The same approval in other words is none: order and repetition do not count. */
export function sameGrant(a: Grant | undefined, b: Grant | undefined): boolean {
  return canonical(a) === canonical(b);
}

function canonical(grant: Grant | undefined): string {
  if (grant === undefined) return '';
  return JSON.stringify([...KINDS.map((kind) => [...new Set(grant[kind])].sort()), grant.unconfirmed]);
}

/** What a change of a grant comes to, a line for each matter. Empty where callers need no credentials. */
export function describeGrantChange(before: Grant | undefined, after: Grant | undefined): string[] {
  if (after === undefined) return [];
  return KINDS.flatMap((kind) => {
    // An unconfirmed approval counts as granted once an admin confirms it.
    const was =
      before === undefined || before.unconfirmed ? (after.unconfirmed ? after[kind] : []) : before[kind];
    return [
      ...listed(difference(after[kind], was, kind), `${WORDS[kind]} granted`),
      ...listed(difference(was, after[kind], kind), `${WORDS[kind]} no longer granted`),
    ];
  });
}

function difference(items: readonly string[], others: readonly string[], kind: keyof typeof WORDS): string[] {
  const known = new Set(others);
  return items.filter((item) => !known.has(item) && (kind !== 'endpoints' || isNotableEndpoint(item)));
}

const WORDS = { hosts: 'hosts for every namespace', endpoints: 'endpoints', files: 'files' } as const;

function listed(items: readonly string[], what: string): string[] {
  return items.length === 0 ? [] : [`${what}: ${items.join(', ')}`];
}
